"""Attention over the states of unrolled recurrent layers: every executor computes the same.

The last call's gates are slices of a slice that nothing else reads, and the first forgets nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.codegen.c_package import CPackage
from tests.passes.small_models import make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.frontend import load_model
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower, quantize
from tqs_edge.verify.reference import run_reference

ROWS, HIDDEN, HORIZON = 3, 4, 9
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU}


class _Attention(nn.Module):
    """A head on the mean of all hidden states, weighted by the last one's query."""

    def __init__(self, kind: str, layers: int, shares: bool) -> None:
        super().__init__()
        self.layers = LAYERS[kind](1, HIDDEN, num_layers=layers, batch_first=True)
        self.query, self.head = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, 1)
        self.shares = shares

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        h, _ = self.layers(window)
        scores = self.query(h[:, -1:]) @ h.transpose(1, 2) / HIDDEN**0.5
        return self.head((torch.softmax(scores, -1) if self.shares else scores) @ h)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "layers", "shares", "bits"),
    [("gru", 1, True, 8), ("lstm", 2, True, 16), ("lstm", 1, False, 8)],
)
def test_all_executors_agree(
    kind: str, layers: int, shares: bool, bits: int, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    step = _Attention(kind, layers, shares).eval()
    model = load_model(step, example_inputs=(torch.zeros(1, ROWS, 1),)).model
    case = make_case(model, act_bits=bits, state_bits=bits)
    arguments = (case.program, model, case.contexts)
    want = run_reference(*arguments, HORIZON).frames
    module = quantize(case.module, case.program)
    np.testing.assert_array_equal(run_llvm(module, *arguments, horizon=HORIZON), want)
    bundle = emit(lower(case.module, case.program), case.program, model, "0123abcd")
    package = CPackage(bundle, model, tmp_path)
    for index, context in enumerate(case.contexts):
        np.testing.assert_array_equal(package.rollout(context, HORIZON), want[index])
