"""Models that the command line tests name as package.module:factory."""

from __future__ import annotations

import torch
from torch import nn

GRU_INPUTS = (torch.zeros(1, 2), torch.zeros(1, 8))


class SmallGru(nn.Module):
    """x (1, 2), h (1, 8) -> residual output and the next state."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head = nn.GRUCell(2, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.cell(x, h)
        return 0.5 * x + self.head(h), h


def small_gru() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return SmallGru().eval(), GRU_INPUTS


class Driven(nn.Module):
    """A GRU with one exogenous input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.cell, self.head = nn.GRUCell(3, 8), nn.Linear(8, 2)

    def forward(
        self, x: torch.Tensor, exog: torch.Tensor, h: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.cell(torch.cat([x, exog], dim=1), h)
        return self.head(h), h


def driven() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return Driven().eval(), (torch.zeros(1, 2), torch.zeros(1, 1), torch.zeros(1, 8))


class Window(nn.Module):
    """A residual multilayer perceptron on a flattened window, two rows per step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.hidden, self.out = nn.Linear(6, 12), nn.Linear(12, 4)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.hidden(window.reshape(1, 6)))
        return self.out(hidden).reshape(1, 2, 2)


def window() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return Window().eval(), (torch.zeros(1, 3, 2),)


class Map(nn.Module):
    """x' = x + f(x) with a rectifier."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.hidden, self.out = nn.Linear(3, 16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.9 * x + 0.1 * self.out(torch.relu(self.hidden(x)))


def residual_map() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return Map().eval(), (torch.zeros(1, 3),)


class Unsupported(nn.Module):
    """A running product and a rounding: two obstacles at once."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.lin(x)
        return torch.sort(torch.tanh(y), -1)[0] + torch.round(y)


def unsupported() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return Unsupported().eval(), (torch.zeros(1, 3),)


def nan_weights() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    model, inputs = residual_map()
    with torch.no_grad():
        model.hidden.weight[1, 2] = float("nan")
    return model, inputs


class Exploding(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1e4 + 1.0


def exploding() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return Exploding().eval(), (torch.zeros(1, 2),)


class Constant(nn.Module):
    """One output that never changes beside one that does."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.out = nn.Linear(2, 2)
        with torch.no_grad():
            self.out.weight[1], self.out.bias[1] = 0.0, 0.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x)


def constant() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return Constant().eval(), (torch.zeros(1, 2),)


class Leaky(nn.Module):
    """Two leaky memories without a weight matrix: elementwise operations alone."""

    def __init__(self) -> None:
        super().__init__()
        self.keep = nn.Parameter(torch.tensor([0.9, 0.97]))

    def forward(self, x, h):
        h = self.keep * h + 0.3 * torch.tanh(x.flip(-1))
        return torch.sin(2 * h), h


def leaky() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return Leaky().eval(), (torch.zeros(1, 2), torch.zeros(1, 2))


class Causal(nn.Module):
    """Two causal convolutions over a window longer than other models' contexts."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second = nn.Conv1d(1, 6, 3), nn.Conv1d(6, 6, 3, dilation=2)
        self.head = nn.Linear(6, 1)

    def forward(self, window):
        x = window.transpose(1, 2)
        x = torch.tanh(self.first(nn.functional.pad(x, (2, 0))))
        x = torch.tanh(self.second(nn.functional.pad(x, (4, 0))))
        return window[:, -1:] + 0.3 * self.head(x[:, :, -1:].transpose(1, 2))


def causal() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    return Causal().eval(), (torch.zeros(1, 40, 1),)
