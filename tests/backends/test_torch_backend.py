"""The torch black box: any module, its weights replaced, all rollouts in one batch."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.backends.steps import GruStep, case, named, one_row_changed, steps, torch_box
from tqs_edge.backends.black_box import BlackBox
from tqs_edge.backends.torch_backend import TorchRunner, torch_backend
from tqs_edge.errors import InputError
from tqs_edge.frontend.source import find_step
from tqs_edge.graph.rollout_model import RolloutForm

BATCHED = ("gru", "norm-gelu", "conv", "window-gru", "driven")


def looped(box: BlackBox) -> BlackBox:
    """The same black box, every rollout by itself."""
    assert isinstance(box.runner, TorchRunner)
    return replace(box, runner=replace(box.runner, batched=False))


@pytest.mark.parametrize("name", BATCHED)
def test_batches_give_what_single_rollouts_give(name: str) -> None:
    box = torch_box(name)
    assert box.runner.batched
    contexts, exog = case(box)
    for path in box.weights:
        changes = one_row_changed(box, path)
        got = box.rollout(contexts, 8, exog=exog, changes=changes)
        want = looped(box).rollout(contexts, 8, exog=exog, changes=changes)
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["gru", "norm-gelu", "conv", "window-gru"])
def test_replaced_weights_are_those_of_the_module(name: str) -> None:
    module, inputs = steps()[name]
    box = torch_backend(find_step(module, inputs))
    contexts, _ = case(box)
    for path in box.weights:
        changes = one_row_changed(box, path)
        got = box.rollout(contexts, 4, changes=changes)
        parameter = module.get_parameter(path)
        before = parameter.detach().clone()
        with torch.no_grad():
            parameter[1] += changes[0].delta[0, 0].reshape(parameter[1].shape)
        want = torch_backend(find_step(module, inputs)).rollout(contexts, 4)
        with torch.no_grad():
            parameter.copy_(before)
        torch.testing.assert_close(got[1], want[1], rtol=1e-5, atol=1e-5)
        assert not torch.allclose(got[1], box.rollout(contexts, 4)[1], atol=1e-4)


def test_weights_are_rows_by_depth_under_their_own_names() -> None:
    shapes = {name: {} for name in BATCHED}
    for name in BATCHED:
        shapes[name] = {k: v.shape for k, v in torch_box(name).weights.items()}
    assert shapes["gru"] == {
        "cell.weight_ih": (24, 2),
        "cell.weight_hh": (24, 8),
        "head.weight": (2, 8),
    }
    assert shapes["conv"] == {"conv.weight": (3, 6), "head.weight": (2, 9)}
    assert shapes["driven"] == {"A.T": (4, 4), "D.weight": (2, 3), "read.weight": (2, 4)}
    driven, _ = steps()["driven"]
    np.testing.assert_array_equal(torch_box("driven").weights["A.T"], driven.A.detach().T)


def test_control_flow_on_values_runs_rollout_by_rollout() -> None:
    box = torch_box("branching")
    assert not box.runner.batched
    assert box.states == ("state_0", "state_1")
    module, _ = steps()["branching"]
    contexts, _ = case(box)
    frames = box.rollout(contexts, 5)
    with torch.no_grad():
        state = (torch.zeros(1, 2), torch.zeros(1, 2))
        for row in contexts[1, 1]:
            y, state = module(row[None], state)
        for step in range(5):
            torch.testing.assert_close(frames[1, 1, step], y[0])
            y, state = module(y, state)
    changed = box.rollout(contexts, 5, changes=one_row_changed(box, "up.weight"))
    assert torch.equal(changed[0], frames[0]) and not torch.equal(changed[1], frames[1])


def test_exported_programs_run_as_their_modules_do() -> None:
    module, inputs = steps()["gru"]
    program = torch.export.export(module, inputs)
    exported, live = (
        torch_backend(find_step(s, i)) for s, i in ((program, None), (module, inputs))
    )
    contexts, _ = case(live)
    assert torch.equal(exported.rollout(contexts, 6), live.rollout(contexts, 6))


def test_a_torch_black_box_can_leave_the_process() -> None:
    box = torch_box("gru")
    contexts, _ = case(box)
    there = pickle.loads(pickle.dumps(box))
    assert torch.equal(there.rollout(contexts, 4), box.rollout(contexts, 4))


def test_the_form_can_be_insisted_on() -> None:
    assert torch_backend(named("gru"), RolloutForm.RECURRENT).form is RolloutForm.RECURRENT
    with pytest.raises(InputError, match="form 'windowed' was asked for"):
        torch_backend(named("gru"), RolloutForm.WINDOWED)


def test_state_that_a_module_keeps_is_refused() -> None:
    class Keeping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix, self.h = nn.Linear(2, 2), torch.zeros(1, 2)

        def forward(self, x):
            self.h = self.h + self.mix(x)
            return self.h

    with pytest.raises(InputError, match="must return its state instead of keeping it"):
        torch_backend(find_step(Keeping().eval(), (torch.zeros(1, 2),)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: m.head.weight.data.fill_(float("nan")), "'head.weight' has 16 NaN"),
        (lambda m: m.double(), "want torch.float32"),
    ],
)
def test_bad_parameters_are_one_clear_line(spoil, message: str) -> None:
    module = GruStep().eval()
    spoil(module)
    inputs = (torch.zeros(1, 2), torch.zeros(1, 8))
    if module.head.weight.dtype is torch.float64:
        inputs = tuple(value.double() for value in inputs)
    with pytest.raises(InputError, match=message):
        torch_backend(find_step(module, inputs))


def test_example_inputs_that_fail_are_one_clear_line() -> None:
    module, _ = steps()["branching"]
    with pytest.raises(InputError, match="fails on its example inputs"):
        torch_backend(find_step(module, (torch.zeros(1, 3), (torch.zeros(1, 2),) * 2)))


def test_a_device_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="no device 'nonsense'"):
        torch_backend(named("gru"), device="nonsense")
