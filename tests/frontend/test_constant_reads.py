"""Python that reads numbers out of constants is exported; out of inputs, it is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tqs_edge.errors import InputError
from tqs_edge.frontend import load_model
from tqs_edge.frontend.source import export_step, find_step

X = (torch.zeros(1, 2),)


class Solver(nn.Module):
    """Euler steps between time points that forward() makes, and checks, itself."""

    def __init__(self) -> None:
        super().__init__()
        self.field = nn.Linear(2, 2)

    def forward(self, x):
        times = torch.linspace(0, 0.3, 4)
        if not (times[1:] > times[:-1]).all():
            raise ValueError("times must increase")
        steps = int(times.numel() * times[-1].item() * 10) // 4
        for i in range(steps):
            x = x + float(times[i + 1] - times[i]) * torch.tanh(self.field(x))
        return x


class Branches(nn.Module):
    def __init__(self, read) -> None:
        super().__init__()
        self.read = read

    def forward(self, x):
        return torch.tanh(x) if self.read(x) else x


def test_numbers_read_from_constants_are_repeated() -> None:
    model = Solver().eval()
    source = export_step(find_step(model, X))
    x = torch.randn(1, 2)
    with torch.no_grad():
        torch.testing.assert_close(source.program.module()(x), model(x))
    assert model.forward.__func__ is Solver.forward


def test_such_a_model_compiles() -> None:
    graph = load_model(Solver().eval(), example_inputs=X).model.graph
    assert len(graph.dense_nodes()) == 3


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum() > 0,
        lambda x: x[0, 0].item() > 0,
        lambda x: torch.equal(x, torch.zeros(1, 2)),
        lambda x: torch.zeros(1, 2).copy_(x).any(),
        lambda x: torch.empty(2).index_fill_(0, torch.tensor([1]), 1.0).mul_(x[0])[1] > 0,
    ],
)
def test_numbers_read_from_inputs_are_refused_with_their_line(read) -> None:
    with pytest.raises(InputError, match=r"values of its inputs \(test_constant_reads.py"):
        export_step(find_step(Branches(read).eval(), X))


def test_other_failures_of_the_export_stay_what_they_are() -> None:
    class Step(nn.Module):
        def forward(self, x):
            return x @ torch.ones(3, 3)

    with pytest.raises(InputError, match="cannot capture 'Step'"):
        export_step(find_step(Step(), X))


def test_dropout_that_never_sleeps_is_refused() -> None:
    class Step(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x, 0.5)

    with pytest.raises(InputError, match=r"training=self\.training"):
        export_step(find_step(Step().eval(), X))


def test_a_step_written_with_vmap_loads() -> None:
    class Step(nn.Module):
        def forward(self, x):
            def one(row):
                state = torch.zeros_like(row)
                torch.arange(2.0).unsqueeze(0)  # which nothing reads
                return row * 0.5 + state.reshape(1, -1).expand(1, 2)[0].cos()

            return torch.vmap(one)(x)

    assert load_model(Step().eval(), example_inputs=X).model.graph.nodes
