"""The TVM black box: a fused executable whose weights are arguments."""

from __future__ import annotations

import functools
import pickle

import pytest
import torch
from torch import nn

from tests.backends.steps import case, named, one_row_changed, torch_box
from tqs_edge.backends.black_box import BlackBox
from tqs_edge.backends.tvm_backend import TvmRunner, tvm_backend
from tqs_edge.errors import InputError
from tqs_edge.frontend.source import find_step


@functools.cache
def compiled(name: str) -> BlackBox:
    return tvm_backend(named(name))


@pytest.mark.parametrize("name", ["gru", "norm-gelu", "window-gru", "driven"])
def test_compiled_rollouts_are_those_of_torch(name: str) -> None:
    box, like = compiled(name), torch_box(name)
    contexts, exog = case(box)
    assert {k: v.shape for k, v in box.weights.items()} == {
        k: v.shape for k, v in like.weights.items()
    }
    for path in box.weights:
        changes = one_row_changed(box, path)
        got = box.rollout(contexts, 8, exog=exog, changes=changes)
        want = like.rollout(contexts, 8, exog=exog, changes=changes)
        torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
        clean = box.rollout(contexts, 8, exog=exog)
        assert torch.equal(got[0], clean[0]) and not torch.allclose(got[1], clean[1], atol=1e-4)


def test_the_executable_is_fused_and_takes_its_weights_as_arguments() -> None:
    runner = compiled("gru").runner
    assert isinstance(runner, TvmRunner)
    assert any("matmul" in kernel and "add" in kernel for kernel in runner.kernels)
    assert any("sigmoid" in kernel and "tanh" in kernel for kernel in runner.kernels)
    assert list(runner.constants) == [
        "cell.weight_ih",
        "cell.weight_hh",
        "cell.bias_ih",
        "cell.bias_hh",
        "head.weight",
        "head.bias",
    ]


def test_an_operation_tvm_cannot_import_is_one_clear_line() -> None:
    class Fft(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Linear(2, 2)

        def forward(self, x):
            return torch.fft.rfft(self.mix(x)).real

    with pytest.raises(InputError, match=r"TVM cannot import 'Fft'.*--backend torch"):
        tvm_backend(find_step(Fft().eval(), (torch.zeros(1, 2),)))


def test_it_says_that_it_cannot_leave_the_process() -> None:
    with pytest.raises(InputError, match="cannot leave its process"):
        pickle.dumps(compiled("gru"))
