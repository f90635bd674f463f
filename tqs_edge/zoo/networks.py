"""The zoo's networks, each one step of a forecaster that is rolled out on its own output.

Here are the plain ones and the seven of the study; networks_recurrent, _driven, _convolution,
_linear, _mlp and _attention hold one family each, and network_kinds names them all.
"""

from __future__ import annotations

import math

import torch
from torch import nn


class GruForecaster(nn.Module):
    """One step of a forecaster: (x [1, F], h [1, H]) -> (next x [1, F], next h [1, H]).

    residual: the head predicts the change, y = x + head(h'), else the value, y = head(h').
    """

    def __init__(self, features: int, hidden: int, *, residual: bool) -> None:
        super().__init__()
        self.cell = nn.GRUCell(features, hidden)
        self.head = nn.Linear(hidden, features)
        self.residual = residual

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.cell(x, h)
        y = self.head(h)
        return (x + y if self.residual else y), h


class LinearStateSpace(nn.Module):
    """One step of h' = A h + B x, y = C h'; shapes as GruForecaster."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.transition = nn.Linear(hidden, hidden, bias=False)
        self.drive = nn.Linear(features, hidden, bias=False)
        self.readout = nn.Linear(hidden, features, bias=False)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.transition(h) + self.drive(x)
        return self.readout(h), h


class LstmForecaster(nn.Module):
    """One step of (x [1, F], h [1, H], c [1, H]) -> (next x [1, F], next h, next c), y = W h'."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(features, hidden)
        self.head = nn.Linear(hidden, features)

    def forward(
        self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h, c = self.cell(x, (h, c))
        return self.head(h), h, c


class WindowMlp(nn.Module):
    """The next row from the last L rows: window [1, L, F] -> [1, 1, F]; two layers of relu."""

    def __init__(self, length: int, features: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(length * features, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, features)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        inner = torch.relu(self.first(window.flatten(1)))
        row: torch.Tensor = self.head(torch.relu(self.second(inner)))
        return row.unsqueeze(1)


class NeuralOde(nn.Module):
    """x [1, F] -> [1, F] after one classic Runge-Kutta step of x' = f(x), f a network of tanh.

    The step evaluates f four times, so every weight is used four times. step: time units per row.
    """

    def __init__(self, features: int, hidden: int, *, step: float) -> None:
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, features)
        self.step = step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.derivative(x)
        b = self.derivative(x + self.step / 2 * a)
        c = self.derivative(x + self.step / 2 * b)
        d = self.derivative(x + self.step * c)
        return x + self.step / 6 * (a + 2 * b + 2 * c + d)

    def derivative(self, x: torch.Tensor) -> torch.Tensor:
        """f(x), standard deviations per time unit."""
        slope: torch.Tensor = self.head(torch.tanh(self.second(torch.tanh(self.first(x)))))
        return slope


class CalendarFilter(nn.Module):
    """The trainable form of a `LinearStateSpace` with a calendar: a steady-state Kalman filter.

    The state holds the phases of the year's first harmonics, rotations that never decay, and one
    damped oscillation for what comes and goes. A step corrects the state by `gain` times the error
    of its last forecast and turns it: h' = R (h + gain (x - C h)), y = C h'. Free-running, the
    error is zero and the poles are those of R, on the unit circle.
    """

    HARMONICS = (1, 2, 3)
    STEPS_PER_YEAR = 12

    def __init__(self) -> None:
        super().__init__()
        pairs = len(self.HARMONICS) + 1
        self.gain = nn.Parameter(torch.tensor([0.05, 0.0] * (pairs - 1) + [0.5, 0.0])[:, None])
        self.damping = nn.Parameter(torch.tensor(0.1))
        self.angle = nn.Parameter(torch.tensor(2 * math.pi / 48))
        self.register_buffer("readout", torch.tensor([[1.0, 0.0] * pairs]))
        self.readout: torch.Tensor

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        transition, drive = self._matrices()
        h = h @ transition.T + x @ drive.T
        return h @ self.readout.T, h

    def _matrices(self) -> tuple[torch.Tensor, torch.Tensor]:
        """A = R (I - gain C) and B = R gain."""
        year = 2 * math.pi / self.STEPS_PER_YEAR
        turns = [_rotation(torch.tensor(k * year)) for k in self.HARMONICS]
        turns.append(torch.exp(-self.damping.abs()) * _rotation(self.angle))
        rotation = _block_diagonal(turns)
        return rotation - rotation @ self.gain @ self.readout, rotation @ self.gain

    @torch.no_grad()
    def plain(self) -> LinearStateSpace:
        """The same step as three plain matrices."""
        transition, drive = self._matrices()
        network = LinearStateSpace(drive.shape[1], len(transition))
        network.transition.weight.copy_(transition)
        network.drive.weight.copy_(drive)
        network.readout.weight.copy_(self.readout)
        return network


def _rotation(angle: torch.Tensor) -> torch.Tensor:
    """The 2 x 2 matrix that turns by an angle in radians."""
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cosine, sine]), torch.stack([-sine, cosine])])


def _block_diagonal(blocks: list[torch.Tensor]) -> torch.Tensor:
    """A square matrix with 2 x 2 blocks along its diagonal."""
    zero = torch.zeros(2, 2)
    rows = [[b if i == j else zero for j in range(len(blocks))] for i, b in enumerate(blocks)]
    return torch.cat([torch.cat(row, 1) for row in rows])
