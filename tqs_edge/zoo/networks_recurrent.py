"""Recurrent cells beside those of networks.py, one step (x [N, F], states) -> (next x, states)."""

from __future__ import annotations

import math

import torch
from torch import nn


class MinGru(nn.Module):
    """Two layers of minGRU (Feng et al. 2024), states [N, H] each; the head predicts the change.

    The gate and the candidate see the input only: h' = (1 - z) h + z c with z = sigmoid(W x) and
    c = V x, so the step is linear in its state.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.first_gate = nn.Linear(features, hidden)
        self.first_candidate = nn.Linear(features, hidden)
        self.second_gate = nn.Linear(hidden, hidden)
        self.second_candidate = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, features)

    def forward(
        self, x: torch.Tensor, h1: torch.Tensor, h2: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        z = torch.sigmoid(self.first_gate(x))
        h1 = (1 - z) * h1 + z * self.first_candidate(x)
        z = torch.sigmoid(self.second_gate(h1))
        h2 = (1 - z) * h2 + z * torch.tanh(self.second_candidate(h1))
        return x + self.head(h2), h1, h2


class EchoState(nn.Module):
    """Echo state network (Jaeger 2001): h' = (1 - a) h + a tanh(W h + V x + b), y = C h' + c.

    W, V and b are drawn once and never trained: W is sparse and scaled to a spectral radius below
    one. Only the readout is fitted, by ridge regression (`zoo.train_reservoir`). State [N, H].
    """

    DENSITY, RADIUS, LEAK = 0.1, 0.98, 0.5

    def __init__(self, features: int, hidden: int, *, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)

        def uniform(*shape: int) -> torch.Tensor:
            return 2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1

        links = torch.rand(hidden, hidden, generator=generator) < self.DENSITY
        reservoir = uniform(hidden, hidden) * links
        reservoir *= self.RADIUS / torch.linalg.eigvals(reservoir).abs().max()
        self.register_buffer("reservoir", reservoir.float())
        self.register_buffer("drive", uniform(hidden, features).float())
        self.register_buffer("bias", 0.2 * uniform(hidden).float())
        self.readout = nn.Linear(hidden, features)
        self.reservoir: torch.Tensor
        self.drive: torch.Tensor
        self.bias: torch.Tensor

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inner = torch.tanh(h @ self.reservoir.T + x @ self.drive.T + self.bias)
        h = (1 - self.LEAK) * h + self.LEAK * inner
        return self.readout(h), h


class LinearRecurrentUnit(nn.Module):
    """Linear recurrent unit (Orvieto et al. 2023) in real form, states re and im [N, H] each.

    Every pair turns by its angle and shrinks by its magnitude exp(-exp(nu)), at first 0.9 to 0.999:
    s' = lambda s + gamma B x with gamma = sqrt(1 - |lambda|^2). A perceptron reads both parts and
    predicts the change.
    """

    SMALLEST, LARGEST = 0.9, 0.999

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        magnitude = torch.linspace(self.SMALLEST, self.LARGEST, hidden)
        self.nu = nn.Parameter(torch.log(-torch.log(magnitude)))
        self.theta = nn.Parameter(math.pi / 4 * torch.rand(hidden))
        self.drive_re = nn.Linear(features, hidden, bias=False)
        self.drive_im = nn.Linear(features, hidden, bias=False)
        self.first = nn.Linear(2 * hidden, 2 * hidden)
        self.head = nn.Linear(2 * hidden, features)

    def forward(
        self, x: torch.Tensor, re: torch.Tensor, im: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        magnitude = torch.exp(-torch.exp(self.nu))
        cosine, sine = magnitude * torch.cos(self.theta), magnitude * torch.sin(self.theta)
        gamma = torch.sqrt(1 - magnitude * magnitude)
        turned_re = cosine * re - sine * im + gamma * self.drive_re(x)
        turned_im = sine * re + cosine * im + gamma * self.drive_im(x)
        inner = torch.relu(self.first(torch.cat([turned_re, turned_im], dim=1)))
        return x + self.head(inner), turned_re, turned_im


class GruSequence(nn.Module):
    """The sequence module nn.GRU of two layers, fed one row at a time; state [2, N, H]. The head
    predicts the change."""

    LAYERS = 2

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features, hidden, num_layers=self.LAYERS, batch_first=True)
        self.head = nn.Linear(hidden, features)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sequence, h = self.gru(x.unsqueeze(1), h)
        return x + self.head(sequence[:, -1]), h


class ProjectedLstm(nn.Module):
    """nn.LSTM with a projected output, fed one row at a time; states h [1, N, P], c [1, N, H]. The
    head predicts the change."""

    def __init__(self, features: int, hidden: int, projection: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, proj_size=projection, batch_first=True)
        self.head = nn.Linear(projection, features)

    def forward(
        self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sequence, (h, c) = self.lstm(x.unsqueeze(1), (h, c))
        return x + self.head(sequence[:, -1]), h, c


class RnnSequence(nn.Module):
    """The sequence module nn.RNN of two layers of tanh, fed one row at a time; state [2, N, H]. The
    head predicts the change."""

    LAYERS = 2

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(features, hidden, num_layers=self.LAYERS, batch_first=True)
        self.head = nn.Linear(hidden, features)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sequence, h = self.rnn(x.unsqueeze(1), h)
        return x + self.head(sequence[:, -1]), h


class ClosedFormContinuous(nn.Module):
    """Closed-form continuous-time cell, a liquid network (Hasani et al. 2022), state [N, H].

    A backbone b = tanh(W [x, h]) feeds two targets and the time constants between them: with rows
    one time unit apart, h' = (1 - s) tanh(F b) + s tanh(G b) and s = sigmoid(A b + B b). The head
    predicts the change.
    """

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.backbone = nn.Linear(features + hidden, hidden)
        self.near, self.far = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.time_rate, self.time_offset = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, features)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        b = torch.tanh(self.backbone(torch.cat([x, h], dim=1)))
        share = torch.sigmoid(self.time_rate(b) + self.time_offset(b))
        h = (1 - share) * torch.tanh(self.near(b)) + share * torch.tanh(self.far(b))
        return x + self.head(h), h
