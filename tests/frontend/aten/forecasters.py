"""Forecasters as people write them in PyTorch, small, one per family that is rolled out."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from tests.frontend.aten.windowed import (
    FEATURES,
    LENGTH,
    CausalTransformer,
    DepthwiseNet,
    DLinear,
    NBeats,
    PatchTst,
    RevIn,
    SelfAttention,
    Tcn,
    TsMixer,
    WaveNet,
)

Inputs = tuple


class RecurrentStep(nn.Module):
    """A sequence module over one row, its states [layers, 1, H] in and out."""

    def __init__(self, rnn: nn.Module, width: int, *, batch_first: bool) -> None:
        super().__init__()
        self.rnn, self.head, self.axis = rnn, nn.Linear(width, FEATURES), int(batch_first)

    def forward(self, x, *states):
        rows, new = self.rnn(x.unsqueeze(self.axis), states if len(states) > 1 else states[0])
        y = x + self.head(rows.squeeze(self.axis))
        return (y, *new) if isinstance(new, tuple) else (y, new)


class WindowRnn(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.rnn, self.head = kind(FEATURES, 4, 2, batch_first=True), nn.Linear(4, FEATURES)

    def forward(self, w):
        return self.head(self.rnn(w)[0][:, -1:])


class MinGru(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate, self.candidate = nn.Linear(FEATURES, 4), nn.Linear(FEATURES, 4)
        self.head = nn.Linear(4, FEATURES)

    def forward(self, x, h):
        z = torch.sigmoid(self.gate(x))
        h = torch.lerp(h, self.candidate(x), z)
        return self.head(h), h


class Lru(nn.Module):
    """A linear recurrent unit with its complex poles in real form."""

    def __init__(self) -> None:
        super().__init__()
        self.nu, self.theta = nn.Parameter(torch.rand(4)), nn.Parameter(torch.rand(4))
        self.B = nn.Parameter(torch.randn(8, FEATURES) * 0.3)
        self.C, self.D = nn.Linear(8, FEATURES), nn.Parameter(torch.rand(FEATURES))

    def forward(self, x, h):
        radius = torch.exp(-torch.exp(self.nu))
        re, im = radius * torch.cos(self.theta), radius * torch.sin(self.theta)
        u = F.linear(x, self.B) * torch.sqrt(1 - radius**2).repeat(2)
        a, b = h.chunk(2, -1)
        h = torch.cat([re * a - im * b, im * a + re * b], -1) + u
        return self.C(h) + self.D * x, h


class NeuralOde(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.f = nn.Sequential(nn.Linear(FEATURES, 6), nn.Softplus(), nn.Linear(6, FEATURES))

    def forward(self, x):
        k1 = self.f(x)
        k2 = self.f(x + 0.05 * k1)
        k3 = self.f(x + 0.05 * k2)
        k4 = self.f(x + 0.1 * k3)
        return x + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def forecasters() -> dict[str, tuple[nn.Module, Inputs]]:
    """Every family in eval mode with example inputs."""
    torch.manual_seed(0)
    row, window = torch.randn(1, FEATURES), torch.randn(1, LENGTH, FEATURES)

    def state(layers: int, width: int = 4) -> torch.Tensor:
        return torch.randn(layers, 1, width) * 0.3

    def recurrent(rnn: nn.Module, *states: torch.Tensor) -> tuple[nn.Module, Inputs]:
        width = states[0].shape[-1]
        return RecurrentStep(rnn, width, batch_first=rnn.batch_first), (row, *states)

    lstm = nn.LSTM(FEATURES, 4, 2, batch_first=True)
    projected = nn.LSTM(FEATURES, 4, 2, proj_size=3)
    models = {
        "GRU": recurrent(nn.GRU(FEATURES, 4, 3), state(3)),
        "GRU without bias": recurrent(nn.GRU(FEATURES, 4, bias=False, batch_first=True), state(1)),
        "LSTM": recurrent(lstm, state(2), state(2)),
        "LSTM with projection": recurrent(projected, state(2, 3), state(2)),
        "tanh RNN": recurrent(nn.RNN(FEATURES, 4, 2), state(2)),
        "relu RNN": recurrent(nn.RNN(FEATURES, 4, nonlinearity="relu"), state(1)),
        "window LSTM": (WindowRnn(nn.LSTM), (window,)),
        "window RNN": (WindowRnn(nn.RNN), (window,)),
        "TCN": (Tcn(nn.utils.parametrizations.weight_norm), (window,)),
        "WaveNet": (WaveNet(), (window,)),
        "depthwise": (DepthwiseNet(), (window,)),
        "DLinear": (DLinear(), (window,)),
        "N-BEATS": (NBeats(), (window,)),
        "TSMixer with batch norm": (TsMixer("batch"), (window,)),
        "TSMixer with layer norm": (TsMixer("layer"), (window,)),
        "RevIN": (RevIn(DLinear(), unbiased=False), (window,)),
        "RevIN, unbiased": (RevIn(DLinear(), unbiased=True), (window,)),
        "PatchTST": (PatchTst(), (window,)),
        "PatchTST, norm first": (PatchTst(norm_first=True, activation="gelu"), (window,)),
        "causal transformer": (CausalTransformer(), (window,)),
        "hand-written attention": (SelfAttention(), (window,)),
        "minGRU": (MinGru(), (row, torch.randn(1, 4))),
        "LRU": (Lru(), (row, torch.randn(1, 8))),
        "neural ODE": (NeuralOde(), (row,)),
    }
    return {name: (module.eval(), inputs) for name, (module, inputs) in models.items()}
