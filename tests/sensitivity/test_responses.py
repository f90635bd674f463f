"""Responses are the Jacobian of the rollout, sketched."""

from __future__ import annotations

import numpy as np
import torch

from tests.graphs import gru_graph
from tqs_edge.backends.graph_backend import graph_backend
from tqs_edge.graph.rollout import rollout
from tqs_edge.sensitivity.batch import clean_rollouts
from tqs_edge.sensitivity.responses import (
    Trajectories,
    make_sketch,
    parameter_responses,
    parameters_of,
)

HORIZON = 6


def test_responses_are_the_jacobian_of_the_rollout() -> None:
    model = gru_graph(0, features=2, hidden=4)
    contexts = np.random.default_rng(0).standard_normal((3, 2, 2)).astype(np.float32)
    clean = clean_rollouts(model, contexts, HORIZON, double=True)
    backend = graph_backend(model)
    parameters = parameters_of(backend)
    point = {p.path: model.graph.constants[p.path].astype(np.float64) for p in parameters}
    trajectories = Trajectories(clean.contexts, None, clean.frames, clean.std)
    sketch = make_sketch(clean.frames.numel())  # few entries: the identity
    found = parameter_responses(backend, point, trajectories, sketch)

    def frames(*values: torch.Tensor) -> torch.Tensor:
        tensors = dict(backend.constants) | dict(zip(point, values, strict=True))
        return rollout(model, clean.contexts, HORIZON, weight=tensors.__getitem__) / clean.std

    values = tuple(torch.from_numpy(value) for value in point.values())
    exact = torch.autograd.functional.jacobian(frames, values)
    want = np.concatenate([j.reshape(clean.frames.numel(), -1).numpy() for j in exact], axis=1).T
    np.testing.assert_allclose(found, want, atol=2e-4 * np.abs(want).max())


def test_a_sketch_is_linear_and_keeps_mean_squares_on_average() -> None:
    rng = np.random.default_rng(0)
    errors = rng.standard_normal((2, 4000))
    sketch = make_sketch(4000, 500)
    np.testing.assert_allclose(
        sketch(errors[:1] + 2 * errors[1:]),
        sketch(errors)[[0]] + 2 * sketch(errors)[[1]],
        atol=1e-12,
    )
    ratios = [
        (make_sketch(4000, 500, seed)(errors[:1]) ** 2).mean() / (errors[0] ** 2).mean()
        for seed in range(200)
    ]
    # Each ratio has standard deviation sqrt(2 / 500); their mean, one fourteenth of that.
    assert abs(np.mean(ratios) - 1.0) < 4 * np.sqrt(2 / 500 / 200)


def test_a_short_error_is_kept_as_it_is() -> None:
    errors = np.random.default_rng(0).standard_normal((3, 100))
    np.testing.assert_array_equal(make_sketch(100)(errors), errors)
