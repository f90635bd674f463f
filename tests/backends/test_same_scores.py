"""One model through every back end: the same rollouts, the same gains, the same ranking."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tests.backends.onnx_models import exported, save
from tests.backends.steps import named, steps, torch_box
from tqs_edge.backends.graph_backend import graph_backend
from tqs_edge.backends.onnx_backend import onnx_backend
from tqs_edge.backends.protocol import StepBackend
from tqs_edge.backends.tvm_backend import tvm_backend
from tqs_edge.errors import UnsupportedOp
from tqs_edge.frontend import load_model
from tqs_edge.sensitivity.score import SensitivityReport, score
from tqs_edge.sensitivity.sites import Site, SiteKind, list_backend_sites

HORIZON, ROWS, PROBES = 24, 6, 6
# float32 steps against float64: rounding of 1e-7 of the signal, on probes of 2^-8 of a weight.
FRAMES, GAINS = 1e-6, 0.01

Open = Callable[[Path], StepBackend]
OPEN: dict[str, Open] = {
    "torch": lambda folder: torch_box("gru"),
    "onnxruntime": lambda folder: onnx_backend(
        save(exported(*steps()["gru"], names=["x", "h"]), folder / "gru.onnx")
    ),
    "tvm": lambda folder: tvm_backend(named("gru")),
}
BLACK_BOXES = ["torch", pytest.param("onnxruntime", marks=pytest.mark.onnx), "tvm"]


def contexts(count: int = 8) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, ROWS, 2)).astype(np.float32)


@functools.cache
def compiler_graph() -> StepBackend:
    module, inputs = steps()["gru"]
    return graph_backend(load_model(module, example_inputs=inputs).model)


def shared_sites() -> tuple[Site, ...]:
    """Weights and states; as an input, the graph shows what dense nodes alone see."""
    sites = list_backend_sites(torch_box("gru"))
    return tuple(site for site in sites if site.kind is not SiteKind.ACTIVATION)


@functools.cache
def graph_report() -> SensitivityReport:
    return score(compiler_graph(), contexts(), HORIZON, probes=PROBES, sites=shared_sites())


@pytest.mark.parametrize("name", BLACK_BOXES)
def test_a_black_box_scores_as_the_graph_does(name: str, tmp_path: Path) -> None:
    box = OPEN[name](tmp_path)
    assert box.name == name
    start = torch.from_numpy(contexts())[None].double()
    frames = [backend.rollout(start, HORIZON) for backend in (box, compiler_graph())]
    torch.testing.assert_close(*frames, rtol=0.0, atol=FRAMES)

    got = score(box, contexts(), HORIZON, probes=PROBES, sites=shared_sites())
    want = graph_report()
    assert [s.site.id for s in got.sites] == [s.site.id for s in want.sites]
    assert len(got.sites) == 14 and all(s.linear for s in got.sites)
    gains = np.array([[s.gain for s in report.sites] for report in (got, want)])
    np.testing.assert_allclose(*gains, rtol=GAINS)
    for one, other in zip((*got.sites, *want.sites), (*want.sites, *got.sites), strict=True):
        assert one.gain_low <= other.gain <= one.gain_high
    assert spearmanr(*gains).statistic > 0.99
    assert np.array_equal(*gains.argmax(axis=1, keepdims=True))
    low = np.array([s.gain_low for s in want.sites])
    high = np.array([s.gain_high for s in want.sites])
    larger = low[:, None] > high[None, :]  # where the graph's intervals do not overlap
    assert larger.sum() > len(low)
    assert (gains[0][:, None] > gains[0][None, :])[larger].all()


@pytest.mark.slow
def test_a_model_that_cannot_be_compiled_can_be_scored() -> None:
    module, inputs = steps()["norm-gelu"]
    with pytest.raises(UnsupportedOp, match="round"):
        load_model(module, example_inputs=inputs)
    boxes = torch_box("norm-gelu"), tvm_backend(named("norm-gelu"))
    reports = [score(box, contexts(), HORIZON, probes=PROBES) for box in boxes]
    gains = np.array([[s.gain for s in report.sites] for report in reports])
    assert [s.site.id for s in reports[0].sites] == [
        "mix.weight[0:4]",
        "mix.weight[4:6]",
        "out.weight[0:2]",
        "act:window",
    ]
    assert (gains > 0.0).all() and all(s.linear for s in reports[0].sites)
    np.testing.assert_allclose(*gains, rtol=GAINS)


def test_a_model_that_cannot_be_exported_can_be_scored() -> None:
    report = score(torch_box("branching"), contexts(2), 6, probes=2)
    assert [s.site.id for s in report.sites] == [
        "up.weight[0:2]",
        "down.weight[0:2]",
        "act:x",
        "state:state_0",
        "state:state_1",
    ]
    gains = report.gains()
    assert gains["state:state_1"] == 0.0  # it only counts steps
    assert sum(gains.values()) > 0.0
