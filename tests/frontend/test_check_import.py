"""A step that differs from the original in any way is found and named."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.frontend import models
from tqs_edge.errors import ImportMismatch
from tqs_edge.frontend.check_import import check_import, relax_step


def test_relax_step_computes_the_torch_step():
    loaded = models.loaded("LSTMCell")
    inputs = torch.randn(1, 2), torch.randn(1, 4), torch.randn(1, 4)
    got = relax_step(loaded.module, loaded.model.graph)(*inputs)
    for g, want in zip(got, loaded.step(*inputs), strict=True):
        torch.testing.assert_close(g, want, rtol=1e-5, atol=1e-6)


def test_changed_weight_is_found():
    loaded = models.loaded("GRUCell")
    graph = loaded.model.graph
    constants = dict(graph.constants)
    constants["cell.bias_hh"] = constants["cell.bias_hh"] + 1e-3
    model = dataclasses.replace(loaded.model, graph=dataclasses.replace(graph, constants=constants))
    with pytest.raises(ImportMismatch, match=r"Relax module differs .* tensor 'y' at step 0"):
        check_import(model, loaded.module, loaded.step)


def test_graph_that_differs_from_the_module_is_found():
    loaded = models.loaded("GRUCell")
    graph = loaded.model.graph
    nodes = list(graph.nodes)
    last = nodes[-1]
    nodes[-1] = dataclasses.replace(last, inputs=(last.inputs[1], last.inputs[1]))
    model = dataclasses.replace(loaded.model, graph=dataclasses.replace(graph, nodes=tuple(nodes)))
    with pytest.raises(ImportMismatch, match="imported graph differs"):
        check_import(model, loaded.module, loaded.step)


def test_difference_that_only_a_rollout_shows_is_found():
    loaded = models.loaded("tanh map")
    calls = 0

    def drifting(x):
        nonlocal calls
        calls += 1
        (y,) = loaded.step(x)
        return (y + 1e-3 * (calls > 6),)

    with pytest.raises(ImportMismatch, match="at step 6"):
        check_import(loaded.model, loaded.module, drifting)
