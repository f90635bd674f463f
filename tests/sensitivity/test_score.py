"""The score against closed forms."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from tests.graphs import every_operation, gru_contexts, gru_graph, linear_map
from tqs_edge.backends.graph_backend import graph_backend
from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.ranges import observe_ranges
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.sensitivity import tasks
from tqs_edge.sensitivity.score import SensitivityReport, SiteScore, score
from tqs_edge.sensitivity.sites import list_sites

STARTS = np.linspace(0.2, 0.8, 16, dtype=np.float32).reshape(-1, 1, 1)


def site(report: SensitivityReport, name: str) -> SiteScore:
    return next(s for s in report.sites if s.site.id == name)


def logistic_map(r: float) -> RolloutModel:
    """x' = r x (1 - x), the weight being r."""
    nodes = (
        Node("flipped", Op.AFFINE, ("x",), (1, 1), {"scale": -1.0, "offset": 1.0}),
        Node("hump", Op.MUL, ("x", "flipped"), (1, 1)),
        Node("y", Op.DENSE, ("hump",), (1, 1), weight="r"),
    )
    shapes = {"x": (1, 1), **{n.name: n.shape for n in nodes}}
    graph = Graph("x", None, (), "y", nodes, {"r": np.array([[r]], np.float32)}, shapes)
    return RolloutModel("logistic", "test", graph, RolloutForm.MAP, 1, 1, 1, 0, 1)


def linear_powers(a: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (N, T) of x' = a x, and the derivative of each with respect to a."""
    t = np.arange(1, steps + 1)
    return a**t * STARTS[:, 0], t * a ** (t - 1) * STARTS[:, 0]


@pytest.mark.parametrize("a", [0.5, 0.96875, 1.0625])
def test_weight_gain_of_a_linear_map_is_a_persistent_forcing(a: float) -> None:
    frames, slope = linear_powers(a, 30)
    expected = ((slope / frames.std()) ** 2).mean()
    report = score(linear_map([[a]]), STARTS, 30, probes=len(STARTS))  # one in every context
    assert site(report, "a[0:1]").gain == pytest.approx(expected, rel=1e-3)


def test_a_basis_of_probes_gives_the_exact_gain_of_a_contracting_and_a_growing_mode() -> None:
    matrix = np.array([[0.5, 0.25], [0.0, 1.03125]])
    start = np.array([[[0.5, 0.75]]], np.float32)
    x, slopes, frames, squares = start[0, 0].astype(float), np.zeros((2, 2, 2)), [], []
    for _ in range(40):
        forcing = np.einsum("ki,j->kij", np.eye(2), x)  # d(A x)_k / dA_ij
        slopes = np.einsum("kl,lij->kij", matrix, slopes) + forcing
        x = matrix @ x
        frames.append(x)
        squares.append(slopes**2)
    spread = np.std(frames, axis=0)[:, None, None]
    expected = (np.array(squares) / spread**2).mean(axis=1).mean(axis=0).mean()
    found = site(score(linear_map(matrix), start, 40, probes=4), "a[0:2]")
    assert found.gain == pytest.approx(expected, rel=1e-4)


def test_persistent_forcing_of_a_contracting_map_levels_off() -> None:
    # delta_t -> |dA x*| / (1 - a) around the fixed point x* = 1 of x' = a x + (1 - a).
    a = 0.875
    model = linear_map([[a]])
    shift = Node("y", Op.AFFINE, ("ax",), (1, 1), {"scale": 1.0, "offset": 1.0 - a})
    node = replace(model.graph.nodes[0], name="ax")
    shapes = {**model.graph.shapes, "ax": (1, 1)}
    model = replace(model, graph=replace(model.graph, nodes=(node, shift), shapes=shapes))
    settled = [site(score(model, STARTS, t, probes=16), "a[0:1]") for t in (100, 400)]
    assert settled[0].growth == pytest.approx(1.0, abs=1e-3)
    final = [np.exp(found.rate * steps) for found, steps in zip(settled, (100, 400), strict=True)]
    spread = [
        np.std([1 + (s - 1) * a**k for s in STARTS.ravel() for k in range(1, t + 1)])
        for t in (100, 400)
    ]
    assert [f * s for f, s in zip(final, spread, strict=True)] == pytest.approx(
        [1.0 / (1.0 - a)] * 2, rel=0.01
    )


def test_growth_rate_of_a_linear_map_is_ln_lambda() -> None:
    a, steps = 1.0625, 60
    frames, slope = linear_powers(a, steps)
    found = site(score(linear_map([[a]]), STARTS, steps, probes=16), "a[0:1]").rate
    assert found == pytest.approx(np.log(slope[:, -1] / frames.std()).mean() / steps, abs=1e-3)
    # Undoing the standardisation leaves ln(lambda) and ln(T)/T of the persistent forcing.
    rate = found + np.log(frames.std() / STARTS.mean()) / steps
    assert rate == pytest.approx(np.log(a) + np.log(steps / a) / steps, abs=0.01)


def test_activation_gain_of_a_linear_map_sums_independent_noise() -> None:
    a, steps = 0.9, 25
    frames, _ = linear_powers(np.float32(a), steps)
    variance = np.array([sum(a ** (2 * k) for k in range(1, t + 1)) for t in range(1, steps + 1)])
    found = site(score(linear_map([[a]]), STARTS, steps, probes=256), "act:x")
    assert found.gain == pytest.approx((variance / frames.std() ** 2).mean(), rel=0.1)
    assert found.gain_low < found.gain < found.gain_high


def test_rate_of_a_contracting_map_goes_to_zero() -> None:
    rates = [
        abs(site(score(linear_map(0.5 * np.eye(2)), contexts, t, probes=64), "act:x").rate)
        for contexts in [gru_contexts(gru_graph(0, features=2), 4, rows=1)]
        for t in (10, 40, 160)
    ]
    assert rates[0] > 2 * rates[1] > 4 * rates[2]


def test_weight_of_the_chaotic_logistic_map_follows_the_tangent_map() -> None:
    steps = 24
    r = float(np.float32(3.9))
    x, tangent, frames, slopes = STARTS[:, 0, 0].astype(float), 0.0, [], []
    for _ in range(steps):
        tangent = r * (1 - 2 * x) * tangent + x * (1 - x)
        x = r * x * (1 - x)
        frames.append(x)
        slopes.append(tangent)
    found = site(score(logistic_map(3.9), STARTS, steps, probes=16), "r[0:1]")
    expected = np.log(np.abs(slopes[-1]) / np.std(frames)).mean() / steps
    assert found.rate == pytest.approx(expected, abs=0.02)
    assert 0.4 < expected < 0.7  # the Lyapunov exponent is 0.50
    assert found.linear


def test_noise_in_the_logistic_map_at_r_4_grows_by_ln_2_per_step() -> None:
    steps = 20
    starts = np.random.default_rng(3).uniform(0.05, 0.95, (400, 1, 1)).astype(np.float32)
    found = site(score(logistic_map(4.0), starts, steps, probes=400), "act:hump")
    # delta_T is the noise of the first steps times the product of slopes, whose logarithms have
    # mean ln 2 and deviation pi / (2 sqrt(3)) in every step.
    assert found.rate == pytest.approx(np.log(2.0), abs=0.1)
    assert found.growth == pytest.approx(2.0, rel=0.05)


def test_saturated_disturbances_shorten_the_average_and_say_so() -> None:
    report = score(logistic_map(3.9), STARTS, 100, probes=4)
    assert report.saturated
    assert 10 < report.steps < 100


def test_gain_scales_with_the_inverse_square_of_the_weights() -> None:
    model = gru_graph(3, hidden=8)
    contexts = gru_contexts(model, 4)
    constants = dict(model.graph.constants)
    nodes = list(model.graph.nodes)
    index = next(i for i, n in enumerate(nodes) if n.name == "leak")
    constants["head.weight"] = constants["head.weight"] * np.float32(4.0)
    constants["head.bias"] = constants["head.bias"] * np.float32(4.0)
    shrink = Node("shrunk", Op.AFFINE, ("head",), (1, 4), {"scale": 0.25, "offset": 0.0})
    nodes[index + 1] = replace(nodes[index + 1], inputs=("leak", "shrunk"))
    nodes.insert(index, shrink)
    shapes = {**model.graph.shapes, "shrunk": (1, 4)}
    graph = replace(model.graph, constants=constants, nodes=tuple(nodes), shapes=shapes)
    before = score(model, contexts, 20, probes=4).gains()
    after = score(replace(model, graph=graph), contexts, 20, probes=4).gains()
    assert after["head.weight[0:4]"] == pytest.approx(before["head.weight[0:4]"] / 16, rel=1e-6)
    assert after["cell.weight_hh[0:4]"] == pytest.approx(before["cell.weight_hh[0:4]"], rel=1e-6)


def test_same_seed_gives_the_same_report() -> None:
    model = gru_graph(1, hidden=8)
    contexts = gru_contexts(model, 4)
    first, second = (score(model, contexts, 15, probes=3, seed=5) for _ in range(2))
    assert json.dumps(asdict(first)) == json.dumps(asdict(second))


def test_batching_does_not_change_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gru_graph(1, hidden=8)
    contexts = gru_contexts(model, 4)
    whole = score(model, contexts, 15, probes=3)
    monkeypatch.setattr(tasks, "BATCH_BYTES", 1)
    parts = score(model, contexts, 15, probes=3)
    assert list(parts.gains().values()) == pytest.approx(list(whole.gains().values()), rel=1e-6)


def test_a_back_end_gives_what_its_model_gives() -> None:
    model = gru_graph(1, hidden=8)
    contexts = gru_contexts(model, 4)
    first = score(model, contexts, 15)
    assert score(graph_backend(model), contexts, 15) == first
    single = score(graph_backend(model, torch.float32), contexts, 15)
    assert list(single.gains().values()) == pytest.approx(list(first.gains().values()), rel=0.05)


def test_observed_ranges_replace_missing_ones() -> None:
    model = gru_graph(1, hidden=8)
    contexts = gru_contexts(model, 4)
    given = score(model, contexts, 15, ranges=observe_ranges(model, contexts, 15)).gains()
    assert score(model, contexts, 15).gains() == pytest.approx(given, rel=1e-4)


def test_windows_and_exogenous_inputs_are_scored_as_differences_of_rollouts() -> None:
    model, steps, size = every_operation(), 12, 1e-6
    rng = np.random.default_rng(0)
    contexts = rng.standard_normal((1, 5, 3)).astype(np.float32)
    exog = rng.standard_normal((1, steps, 2)).astype(np.float32)
    constants = {k: torch.from_numpy(v).double() for k, v in model.graph.constants.items()}

    def frames(matrix: torch.Tensor) -> torch.Tensor:
        start, known = torch.from_numpy(contexts).double(), torch.from_numpy(exog).double()
        weights = {**constants, "v": matrix}
        return rollout(model, start, steps, exog=known, weight=weights.__getitem__)[0]

    clean = frames(constants["v"])
    basis = size * torch.eye(30).double().reshape(30, 3, 10)
    slopes = torch.stack([(frames(constants["v"] + d) - clean) / size for d in basis])
    expected = float((slopes / clean.std(dim=0, unbiased=False)).square().mean())
    found = score(model, contexts, steps, exog, probes=30).gains()
    assert found["v[0:3]"] == pytest.approx(expected, rel=1e-4)
    assert set(found) == {"w[0:4]", "v[0:3]", "act:x", "act:all"}
    with pytest.raises(InputError, match="the model has 2 exogenous inputs"):
        score(model, contexts, steps)


def test_sites_of_another_model_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"site 'cell.weight_ih\[0:4\]' is not in this graph model"
    ):
        score(linear_map([[1.0]]), STARTS, 5, sites=list_sites(gru_graph(0).graph))


def test_constant_output_is_refused() -> None:
    with pytest.raises(InputError, match="output feature 0 does not vary"):
        score(linear_map([[1.0]]), np.ones((3, 1, 1), np.float32), 5)


def test_overflowing_clean_rollout_names_the_step() -> None:
    with pytest.raises(NonFiniteRollout, match="not finite at step"):
        score(linear_map([[1e30]]), STARTS, 20)


def test_contexts_of_the_wrong_width_are_refused() -> None:
    with pytest.raises(InputError, match=r"the model needs \(contexts, rows, 1\)"):
        score(linear_map([[1.0]]), np.ones((3, 1, 2), np.float32), 5)
