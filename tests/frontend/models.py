"""Small step modules that the frontend tests export, one per shape of model that users have."""

from __future__ import annotations

import functools
import warnings

import torch
from torch import nn

from tqs_edge.frontend import LoadedModel, load_model

Inputs = tuple[torch.Tensor, ...]


class GruStep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(2, 4), nn.Linear(4, 2)

    def forward(self, x, h):
        h = self.cell(x, h)
        return x + self.head(h), h


class GruLayers(nn.Module):
    """nn.GRU over one row, its state [layers, 1, 4] in the signature."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(2, 4, layers, batch_first=True), nn.Linear(4, 2)

    def forward(self, x, h):
        rows, h = self.gru(x.unsqueeze(1), h)
        return self.head(rows[:, -1]), h


class LstmStep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.LSTMCell(2, 4), nn.Linear(4, 2)

    def forward(self, x, state):
        h, c = self.cell(x, state)
        return self.head(h), (h, c)


class TanhMap(nn.Module):
    """Residual map with normalisation by buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3))
        self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]))
        self.step_size = nn.Parameter(torch.tensor([0.5]))

    def forward(self, x):
        return x + self.step_size * self.net((x - self.mean) / 2)


class WindowMlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(10, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 4))

    def forward(self, window):
        return self.net(window.flatten(1)).reshape(1, 2, 2) + window[:, -1:]


class WindowGru(nn.Module):
    """nn.GRU over a window from its zero state; the last row through a negative index."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, window):
        rows, _ = self.gru(window)
        return (window[:, -1] + self.head(rows[:, -1])).unsqueeze(1)


class StateSpace(nn.Module):
    """x' = A s + B u with matrices used untransposed, an exogenous input last, alpha arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.randn(4, 4) * 0.3)
        self.B = nn.Parameter(torch.randn(2, 4))
        self.C, self.D = nn.Linear(4, 2, bias=False), nn.Linear(3, 2)

    def forward(self, x, s, exog):
        s = s @ self.A + x @ self.B
        return torch.sub(self.C(s), self.D(exog), alpha=0.5), s


class Gate(nn.Module):
    def forward(self, x):
        return torch.where(x == 0, 2 * x, x)


class Unsupported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate = nn.Linear(2, 2), Gate()

    def forward(self, x):
        return torch.sort(self.gate(self.first(x)), -1)[0]


def supported() -> dict[str, tuple[nn.Module, Inputs]]:
    """Every model the frontend promises to load, in eval mode, with example inputs."""
    torch.manual_seed(0)
    row, state = torch.randn(1, 2), torch.randn(1, 4)
    models: dict[str, tuple[nn.Module, tuple]] = {
        "GRUCell": (GruStep(), (row, state)),
        "one-layer GRU": (GruLayers(1), (row, torch.randn(1, 1, 4))),
        "two-layer GRU": (GruLayers(2), (row, torch.randn(2, 1, 4))),
        "LSTMCell": (LstmStep(), (row, (state, torch.randn(1, 4)))),
        "tanh map": (TanhMap(), (torch.randn(1, 3),)),
        "window MLP": (WindowMlp(), (torch.randn(1, 5, 2),)),
        "window GRU": (WindowGru(), (torch.randn(1, 4, 2),)),
        "state space": (StateSpace(), (row, state, torch.randn(1, 3))),
    }
    return {name: (model.eval(), inputs) for name, (model, inputs) in models.items()}


@functools.cache
def loaded(name: str) -> LoadedModel:
    """A supported model after load_model; loaded once for all tests."""
    module, inputs = supported()[name]
    return load_model(module, example_inputs=inputs)


def gru_step() -> tuple[nn.Module, Inputs]:
    """A factory as users name it: "tests.frontend.models:gru_step"."""
    torch.manual_seed(0)
    return GruStep().eval(), (torch.zeros(1, 2), torch.zeros(1, 4))


def not_a_model() -> str:
    return "text"


def failing() -> nn.Module:
    raise RuntimeError("no weights here")


def export(model: nn.Module, inputs: tuple) -> torch.export.ExportedProgram:
    """torch.export of a model in eval mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.export warns about nn.GRU's own attributes
        return torch.export.export(model.eval(), inputs)
