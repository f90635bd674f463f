"""Small trained-like steps for the back ends, and what rolls them out in plain torch."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import nn

from tqs_edge.backends.black_box import BlackBox
from tqs_edge.backends.protocol import WeightChange
from tqs_edge.backends.torch_backend import torch_backend
from tqs_edge.frontend.named_step import NamedStep
from tqs_edge.frontend.source import find_step

Inputs = tuple[torch.Tensor, ...]


class GruStep(nn.Module):
    """A contracting residual GRU: what remains of a disturbance shrinks at every step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.cell, self.head = nn.GRUCell(2, 8), nn.Linear(8, 2)

    def forward(self, x, h):
        h = self.cell(x, h)
        return 0.5 * x + self.head(h), h


class NormGelu(nn.Module):
    """LayerNorm, GELU, softmax attention over the window, and a rounding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.mix, self.norm, self.out = nn.Linear(2, 6), nn.LayerNorm(6), nn.Linear(6, 2)

    def forward(self, window):
        rows = self.norm(nn.functional.gelu(self.mix(window)))
        rows = rows + torch.round(0.1 * rows)  # never more than a half: no change
        weights = torch.softmax(rows @ rows[:, -1:].transpose(1, 2), dim=1)
        return window[:, -1:] * 0.9 + 0.1 * self.out((weights * rows).sum(1, keepdim=True))


class ConvStep(nn.Module):
    """A convolution over the window, whose weight has rank 3."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv, self.head = nn.Conv1d(2, 3, 3), nn.Linear(9, 2)

    def forward(self, window):
        y = torch.tanh(self.conv(window.transpose(1, 2)))
        return self.head(y.flatten(1)).unsqueeze(1)


class WindowGru(nn.Module):
    """nn.GRU over a window from its zero state, which vmap has no rule for; selects a row."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(8)
        self.gru, self.head = nn.GRU(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, window):
        rows, _ = self.gru(window)
        return (0.5 * window[:, -1] + self.head(rows[:, -1])).unsqueeze(1)


class Branching(nn.Module):
    """Python control flow on values: neither torch.export nor vmap can follow."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.up, self.down = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x, state):
        h, c = state
        y = torch.tanh(self.up(x) if float(h.sum()) > 0.0 else self.down(x))
        return y, (0.5 * h + y, c + 0.1)


class Driven(nn.Module):
    """An exogenous input that comes last, and a matrix used untransposed."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.A, self.D = nn.Parameter(0.4 * torch.randn(4, 4)), nn.Linear(3, 2)
        self.read = nn.Linear(4, 2, bias=False)

    def forward(self, x, s, exog):
        s = torch.tanh(s @ self.A) + nn.functional.pad(x, (0, 2))
        return self.read(s) + self.D(exog), s


def steps() -> dict[str, tuple[nn.Module, Inputs]]:
    """Every step by name, in eval mode, with example inputs."""
    row, window = torch.zeros(1, 2), torch.zeros(1, 5, 2)
    models: dict[str, tuple[nn.Module, tuple]] = {
        "gru": (GruStep(), (row, torch.zeros(1, 8))),
        "norm-gelu": (NormGelu(), (window,)),
        "conv": (ConvStep(), (window,)),
        "window-gru": (WindowGru(), (window,)),
        "branching": (Branching(), (row, (torch.zeros(1, 2), torch.zeros(1, 2)))),
        "driven": (Driven(), (row, torch.zeros(1, 4), torch.zeros(1, 3))),
    }
    return {name: (model.eval(), inputs) for name, (model, inputs) in models.items()}


def named(name: str) -> NamedStep:
    """The step `name` as the back ends take it."""
    return find_step(*steps()[name])


@functools.cache
def torch_box(name: str) -> BlackBox:
    """The step `name` as a torch black box, opened once."""
    return torch_backend(named(name))


def case(box: BlackBox, variants: int = 3) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Contexts (variants, 2, 6, F), different in each, and exog to match."""
    generator = torch.Generator().manual_seed(11)
    contexts = torch.randn(variants, 2, 6, box.features, generator=generator)
    exog = torch.randn(variants, 2, 16, box.sizes.exog, generator=generator)
    return contexts, exog if box.sizes.exog else None


def one_row_changed(box: BlackBox, path: str) -> Sequence[WeightChange]:
    """Row 1 of a weight changed in variants 1 and 2 of three."""
    generator = torch.Generator().manual_seed(12)
    delta = 0.3 * torch.randn(2, 1, box.weights[path].shape[1], generator=generator)
    return [WeightChange(path, 1, 1, delta)]
