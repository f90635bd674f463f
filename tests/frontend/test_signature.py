"""What is read from an exported program's signature, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.frontend import models
from tqs_edge.errors import InputError
from tqs_edge.frontend.signature import read_signature
from tqs_edge.frontend.step_program import decompose


class Step(nn.Module):
    def forward(self, x, h, exog):
        return x + exog[:, :2], h * 2


def test_arguments_are_ordered_input_exog_states():
    program = models.export(Step(), (torch.zeros(1, 2), torch.zeros(1, 4), torch.zeros(1, 3)))
    signature = read_signature(program)
    assert signature.placeholders == ("x", "exog", "h")
    assert signature.positions == (0, 2, 1)
    assert signature.shapes == {"x": (1, 2), "h": (1, 4), "exog": (1, 3)}
    assert signature.outputs == ((1, 2), (1, 4))


def test_exog_in_the_middle_is_refused():
    class Middle(nn.Module):
        def forward(self, x, h, exog, c):
            return x, h, c

    program = models.export(Middle(), tuple(torch.zeros(1, 2) for _ in range(4)))
    with pytest.raises(InputError, match="second or last"):
        read_signature(program)


def test_integer_input_is_refused():
    class Index(nn.Module):
        def forward(self, x):
            return x.float()

    program = models.export(Index(), (torch.zeros(1, 2, dtype=torch.int64),))
    with pytest.raises(InputError, match=r"input 'x' is torch\.int64"):
        read_signature(program)


def test_dynamic_shape_is_refused():
    class Double(nn.Module):
        def forward(self, x):
            return x * 2

    program = torch.export.export(
        Double(), (torch.zeros(3, 2),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    with pytest.raises(InputError, match="dynamic shape"):
        read_signature(program)


def test_state_kept_in_a_buffer_is_refused():
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("memory", torch.zeros(1, 2))

        def forward(self, x):
            self.memory.add_(x)
            return self.memory * 1

    program = decompose(models.export(Hidden(), (torch.zeros(1, 2),)))
    with pytest.raises(InputError, match="changes 'memory' in place"):
        read_signature(program)
