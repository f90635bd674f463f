"""Observed ranges and the exposed inputs of dense nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.graphs import gru_contexts, gru_graph, linear_map
from tqs_edge.errors import NonFiniteRollout
from tqs_edge.graph.dense_views import dense_inputs, expose_dense_inputs
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout import float_constants


def test_ranges_are_the_largest_magnitudes_of_all_tensors() -> None:
    contexts = np.array([[[1.0]], [[-3.0]]], np.float32)
    assert observe_ranges(linear_map([[-0.5]]), contexts, 4) == {"x": 3.0, "y": 1.5}


def test_ranges_cover_states_and_inner_tensors() -> None:
    model = gru_graph(0)
    ranges = observe_ranges(model, gru_contexts(model, 3), 10)
    assert set(ranges) == set(model.graph.shapes)
    assert ranges["h_next"] >= ranges["h"] > 0.0


def test_overflowing_rollout_names_tensor_and_call() -> None:
    contexts = np.ones((1, 1, 1), np.float32)
    with pytest.raises(NonFiniteRollout, match="tensor 'y' at call 1"):
        observe_ranges(linear_map([[1e20]]), contexts, 5)


def test_exposing_dense_inputs_changes_nothing_but_what_can_be_tapped() -> None:
    graph = gru_graph(0).graph
    exposed, views = expose_dense_inputs(graph)
    assert tuple(views) == dense_inputs(graph) == ("x", "h", "h_next")
    values = {"x": torch.randn(2, 1, 4), "h": torch.randn(2, 1, 32)}
    weight = float_constants(graph)
    before = step(graph, values, weight=weight)
    assert torch.equal(before["y"], step(exposed, values, weight=weight)["y"])
    after = step(
        exposed, values, weight=weight, tap=lambda n, v: v * 0 if n == views["h_next"] else v
    )
    assert torch.equal(after["h_next"], before["h_next"])
    assert torch.allclose(after["head"], weight("head.bias").expand(2, 1, 4))
