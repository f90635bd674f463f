"""Lyapunov exponents against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.chaotic_maps import (
    BETA,
    SIGMA,
    driven_map,
    henon_map,
    logistic_map,
    lorenz_step,
    on_attractor,
    starts,
)
from tests.graphs import gru_contexts, gru_graph, linear_map
from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.graph import Graph, Node, Op, StateVariable
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.sensitivity.lyapunov import LyapunovSpectrum, loop_numbers, lyapunov_spectrum

DIFFERENCES = 1e-6  # relative error of slopes by finite differences of 2^-24


def total(spectrum: LyapunovSpectrum) -> float:
    return sum(e for e in spectrum.exponents if e is not None)


def test_real_eigenvalues_of_a_skewed_linear_map() -> None:
    eigenvalues = np.array([1.05, 0.9, -0.6, 0.2])
    basis = np.random.default_rng(1).normal(size=(4, 4)) + 2 * np.eye(4)
    model = linear_map(basis @ np.diag(eigenvalues) @ np.linalg.inv(basis))
    stored = model.graph.constants["a"].astype(np.float64)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(stored))))[::-1]
    # Directions settle like (0.9 / 1.05)^calls: nothing is left of that after 200 of them.
    found = lyapunov_spectrum(model, starts(3, 4), 260, settle=200)
    assert found.complete and found.numbers == 4 and found.steps == 60
    assert found.exponents == pytest.approx(expected, abs=DIFFERENCES)
    assert found.error < DIFFERENCES


def test_a_rotation_has_two_equal_exponents() -> None:
    turn = 0.98 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    found = lyapunov_spectrum(linear_map(turn), starts(2, 2), 80)
    assert found.exponents == pytest.approx([np.log(0.98)] * 2, abs=DIFFERENCES)


def test_directions_that_a_step_forgets_are_none() -> None:
    found = lyapunov_spectrum(linear_map(np.outer([1.0, 2.0], [0.5, 0.1])), starts(2, 2), 60)
    assert found.exponents[0] == pytest.approx(np.log(0.7), abs=DIFFERENCES)
    assert found.exponents[1] is None


def test_logistic_map_at_4_gives_ln_2() -> None:
    calls = 300
    found = lyapunov_spectrum(logistic_map(4.0), starts(16, 1, 0.1, 0.9), calls, settle=0)
    # Conjugate to the tent map: each sum is calls * ln 2 + ln(h'(x_0) / h'(x_T)), h' of order 1.
    assert found.largest == pytest.approx(np.log(2.0), abs=2.0 / calls)
    assert found.error < 1.0 / calls


def test_logistic_map_at_a_two_cycle_gives_the_multiplier_of_the_cycle() -> None:
    r = 3.2  # f'(a) f'(b) = 4 + 2 r - r^2 on the cycle (a, b)
    found = lyapunov_spectrum(logistic_map(r), starts(4, 1, 0.3, 0.7), 400, settle=200)
    assert found.largest == pytest.approx(0.5 * np.log(abs(4 + 2 * r - r * r)), abs=DIFFERENCES)


def test_henon_exponents_add_up_to_ln_b() -> None:
    model = henon_map(1.4, 0.3)
    contexts = on_attractor(model, starts(16, 2, -0.1, 0.1), 100)
    found = lyapunov_spectrum(model, contexts, 1000)
    assert total(found) == pytest.approx(np.log(0.3), abs=DIFFERENCES)
    # 0.419 from the literature; fluctuations average out as the standard error says.
    assert found.error < 0.005
    assert found.largest == pytest.approx(0.419, abs=3 * 0.005)


def test_lorenz_through_its_runge_kutta_step() -> None:
    dt = 0.02
    model = lorenz_step(dt)
    contexts = on_attractor(model, starts(128, 3, -5.0, 5.0) + 10.0, 800)
    found = lyapunov_spectrum(model, contexts, 1000, settle=400)  # 1536 units of time in all
    rates = [e / dt for e in found.exponents if e is not None]
    assert found.error / dt < 0.02
    assert rates[0] == pytest.approx(0.906, abs=3 * 0.02)
    # The flow's own direction grows no faster than its speed, which is bounded, over 12 units.
    assert rates[1] == pytest.approx(0.0, abs=0.02)
    # One step misses exp(-14.6 dt) by (14.6 dt)^5 / 120 relatively: 0.0009 per unit of time.
    assert sum(rates) == pytest.approx(-(SIGMA + 1.0 + BETA), abs=5e-3)


def test_sum_of_a_gru_is_the_log_determinant_by_autograd() -> None:
    model = gru_graph(2, features=2, hidden=6)
    contexts, calls = gru_contexts(model, 1), 40
    found = lyapunov_spectrum(model, contexts, calls, settle=0)
    graph = model.graph
    constants = {k: torch.from_numpy(v).double() for k, v in graph.constants.items()}

    def advance(z: torch.Tensor) -> torch.Tensor:
        values = {"x": z[:2].reshape(1, 2), "h": z[2:].reshape(1, 6)}
        tensors = step(graph, values, weight=constants.__getitem__)
        return torch.cat([tensors["y"].reshape(-1), tensors["h_next"].reshape(-1)])

    z = torch.zeros(8, dtype=torch.float64)
    for row in torch.from_numpy(contexts[0]).double():
        z = advance(torch.cat([row, z[2:]]))
    logs = []
    for _ in range(calls):
        jacobian = torch.autograd.functional.jacobian(advance, z)
        logs.append(float(torch.linalg.slogdet(jacobian).logabsdet))
        z = advance(z)
    assert loop_numbers(model) == found.numbers == 8
    # The smallest singular values are 1e-4 of the largest, and so much less exact.
    assert total(found) == pytest.approx(np.mean(logs), abs=1e4 * DIFFERENCES)


def test_state_space_model_in_closed_loop() -> None:
    rng = np.random.default_rng(3)
    transition = 0.6 * np.linalg.qr(rng.normal(size=(3, 3)))[0]
    drive, readout = rng.normal(size=(3, 1)), rng.normal(size=(1, 3))
    nodes = (
        Node("kept", Op.DENSE, ("h",), (1, 3), weight="a"),
        Node("driven", Op.DENSE, ("x",), (1, 3), weight="b"),
        Node("h_next", Op.ADD, ("kept", "driven"), (1, 3)),
        Node("y", Op.DENSE, ("h_next",), (1, 1), weight="c"),
    )
    constants = {"a": transition, "b": 0.3 * drive, "c": readout}
    typed = {k: np.asarray(v, np.float32) for k, v in constants.items()}
    shapes = {"x": (1, 1), "h": (1, 3), **{n.name: n.shape for n in nodes}}
    states = (StateVariable("h", "h_next", (1, 3)),)
    graph = Graph("x", None, states, "y", nodes, typed, shapes)
    model = RolloutModel("ssm", "test", graph, RolloutForm.RECURRENT, 1, 1, 1, 0, 1)
    # y is read from h', so one direction is forgotten and the others are those of A + B C.
    loop = transition + 0.3 * drive @ readout
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(loop))))[::-1]
    found = lyapunov_spectrum(model, starts(2, 1), 3000)
    assert found.exponents[3] is None
    # A complex pair turns: its growth over 2250 steps is off by at most ln(condition) / steps.
    assert np.allclose([e for e in found.exponents if e is not None], expected, atol=3e-3)


def autoregression(block: int) -> RolloutModel:
    """y[t] = 0.5 y[t-1] + 0.4 y[t-2], one or two rows to a call."""
    one = np.array([[0.4, 0.5]])
    weight = one if block == 1 else np.stack([one[0], [0.5 * 0.4, 0.5 * 0.5 + 0.4]])
    nodes = (
        Node("flat", Op.RESHAPE, ("window",), (1, 2)),
        Node("out", Op.DENSE, ("flat",), (1, block), weight="a"),
        Node("y", Op.RESHAPE, ("out",), (1, block, 1)),
    )
    shapes = {"window": (1, 2, 1), **{n.name: n.shape for n in nodes}}
    constants = {"a": weight.astype(np.float32)}
    graph = Graph("window", None, (), "y", nodes, constants, shapes)
    return RolloutModel("ar", "test", graph, RolloutForm.WINDOWED, 2, 1, block, 0, 2)


@pytest.mark.parametrize("block", [1, 2])
def test_windowed_exponents_are_per_frame_whatever_the_block(block: int) -> None:
    contexts = np.random.default_rng(0).normal(size=(2, 5, 1)).astype(np.float32)
    found = lyapunov_spectrum(autoregression(block), contexts, 200)
    roots = np.roots([1.0, -0.5, -0.4])
    expected = np.sort(np.log(np.abs(roots)))[::-1]
    assert found.numbers == 2 and found.steps == 150 * block
    assert found.exponents == pytest.approx(expected, abs=DIFFERENCES)


def test_a_known_input_drives_the_loop_and_leaves_its_exponent() -> None:
    exog = np.sin(np.arange(40.0)).reshape(1, 40, 1).astype(np.float32)
    found = lyapunov_spectrum(driven_map(0.75), starts(1, 1), 39, exog)
    assert found.largest == pytest.approx(np.log(0.75), abs=DIFFERENCES)


def test_one_vector_gives_the_greatest_exponent_of_a_large_loop() -> None:
    model = gru_graph(5)
    contexts = gru_contexts(model, 4)
    whole = lyapunov_spectrum(model, contexts, 200)
    alone = lyapunov_spectrum(model, contexts, 200, most_numbers=35)
    assert whole.complete and len(whole.exponents) == 36
    assert not alone.complete and len(alone.exponents) == 1
    assert alone.largest == pytest.approx(whole.largest, abs=0.01)


def test_same_input_gives_the_same_spectrum() -> None:
    model = gru_graph(4, hidden=4)
    first, second = (lyapunov_spectrum(model, gru_contexts(model, 3), 30) for _ in range(2))
    assert first == second
    assert first != lyapunov_spectrum(model, gru_contexts(model, 3), 30, seed=1)


def test_one_context_takes_its_error_from_parts_of_the_time() -> None:
    contexts = starts(1, 1, 0.2, 0.3)
    found = lyapunov_spectrum(logistic_map(3.9), contexts, 400)
    assert found.contexts == 1 and 0.0 < found.error < 0.1


def test_overflowing_free_run_is_refused() -> None:
    with pytest.raises(NonFiniteRollout, match="reaches NaN or infinity after"):
        lyapunov_spectrum(linear_map([[1e30]]), starts(2, 1), 40)


def test_nothing_left_to_average_is_refused() -> None:
    with pytest.raises(InputError, match="leave none"):
        lyapunov_spectrum(replace(driven_map(0.5)), starts(2, 1), 5, settle=5)
