"""The shared part of black boxes: what replaces weights, taps and checks, on a known step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from tqs_edge.backends.black_box import (
    BatchedStep,
    BlackBox,
    Tensors,
    black_box,
    one_by_one,
    same_values,
)
from tqs_edge.backends.protocol import StepBackend, WeightChange
from tqs_edge.errors import InputError
from tqs_edge.frontend.signature import order_inputs

A = np.array([[0.5, 0.1], [0.0, 0.8]], np.float32)
CONTEXTS = torch.tensor([[1.0, -1.0]]).expand(2, 1, 1, 2)


class LinearRunner:
    """x' = A x + s, s' = s: everything about its rollouts is known in closed form."""

    def bind(self, weights: Mapping[str, torch.Tensor], variants: int) -> BatchedStep:
        matrix = weights.get("A", torch.from_numpy(A).expand(variants, 2, 2))

        def step(tensors: Tensors) -> Tensors:
            x, s = tensors
            return torch.einsum("vij,vnbj->vnbi", matrix, x) + s, s

        return step


def linear(runner: object | None = None, weights: Mapping[str, np.ndarray] | None = None):
    shapes = {"x": (1, 2), "s": (1, 2)}
    signature = order_inputs(("x", "s"), shapes, ((1, 2), (1, 2)))
    values = {"A": A} if weights is None else weights
    return black_box("torch", "linear", signature, None, values, runner or LinearRunner())


def test_changed_rows_hold_for_the_whole_rollout_of_their_variants() -> None:
    box: StepBackend = linear()
    delta = torch.tensor([[[0.0, -0.3]]])
    frames = box.rollout(CONTEXTS, 3, changes=[WeightChange("A", 1, 1, delta)])
    x = np.array([1.0, -1.0])
    for step in range(3):
        x = np.array([[0.5, 0.1], [0.0, 0.5]]) @ x
        np.testing.assert_allclose(frames[1, 0, step], x, rtol=1e-6)
    clean = np.linalg.matrix_power(A.astype(float), 3) @ [1.0, -1.0]
    np.testing.assert_allclose(frames[0, 0, 2], clean, rtol=1e-6)
    np.testing.assert_array_equal(box.weights["A"], np.array([[0.5, 0.1], [0.0, 0.8]], "f4"))


def test_two_changes_of_one_weight_add_up() -> None:
    delta = torch.full((1, 1, 2), 0.1)
    changes = [WeightChange("A", row, 0, delta) for row in (0, 0, 1)]
    frames = linear().rollout(CONTEXTS, 1, changes=changes)
    x = (A + np.array([[0.2, 0.2], [0.1, 0.1]])) @ [1.0, -1.0]
    np.testing.assert_allclose(frames[0, 0, 0], x, rtol=1e-6)


def test_a_tap_sees_inputs_and_states_and_decides_what_the_step_reads() -> None:
    box = linear()
    seen: list[tuple[str, tuple[int, ...]]] = []

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        seen.append((name, tuple(value.shape)))
        return value + 1.0 if name == "s" else value

    frames = box.rollout(CONTEXTS, 2, tap=tap)
    assert seen == [("x", (2, 1, 1, 2)), ("s", (2, 1, 1, 2))] * 2
    assert dict(box.tensors) == {"x": (1, 2), "s": (1, 2)} and box.states == ("s",)
    first = A @ [1.0, -1.0] + 1.0
    np.testing.assert_allclose(frames[0, 0, 0], first, rtol=1e-6)
    np.testing.assert_allclose(frames[0, 0, 1], A @ first + 2.0, rtol=1e-6)


def test_frames_have_the_precision_of_the_contexts_and_the_step_has_float32() -> None:
    box = linear()
    assert box.rollout(CONTEXTS.double(), 2).dtype is torch.float64
    assert box.dtype is torch.float32


def test_shapes_that_do_not_suit_are_refused() -> None:
    with pytest.raises(InputError, match="the model needs"):
        linear().rollout(torch.zeros(1, 1, 1, 3), 2)
    with pytest.raises(InputError, match="horizon is 0"):
        linear().rollout(CONTEXTS, 0)


def test_a_model_without_weights_is_refused() -> None:
    with pytest.raises(InputError, match="no weight matrix"):
        linear(weights={})


def test_a_step_that_is_no_function_is_refused() -> None:
    class Counting(LinearRunner):
        calls = 0

        def bind(self, weights: Mapping[str, torch.Tensor], variants: int) -> BatchedStep:
            self.calls += 1
            return lambda tensors: tuple(t + self.calls for t in tensors)

    with pytest.raises(InputError, match="answers the same inputs differently"):
        linear(Counting())


@pytest.mark.parametrize("number", [1, 3])
def test_one_by_one_runs_each_variant_with_its_own_step(number: int) -> None:
    run = one_by_one([lambda t, k=k: (t[0] * (k + 1), t[0].sum()) for k in range(number)])
    x = torch.arange(12.0).reshape(3, 2, 2)
    scaled, total = run((x,))
    factors = torch.arange(1.0, 4.0) if number == 3 else torch.ones(3)
    assert torch.equal(scaled, x * factors[:, None, None])
    assert torch.equal(total, x.sum(-1))


def test_values_agree_up_to_rounding_and_no_further() -> None:
    one = (torch.tensor([1.0, float("nan")]),)
    assert same_values((torch.tensor([1.0 + 5e-6, float("nan")]),), one)
    assert not same_values((torch.tensor([1.0 + 5e-5, float("nan")]),), one)
    assert not same_values((torch.tensor([1.0, 2.0]),), one)
    assert not same_values((torch.tensor([1.0]),), one)


def test_black_boxes_fit_the_protocol() -> None:
    box = linear()
    assert isinstance(box, BlackBox)
    assert (box.name, box.label, box.features, str(box.form)) == ("torch", "linear", 2, "recurrent")
