"""Networks with exogenous inputs that are known in advance, one row `exog` [N, E] per call."""

from __future__ import annotations

import torch
from torch import nn


class EulerMap(nn.Module):
    """(x [N, F], exog [N, E]) -> x + f(x, exog), one Euler step of a forced differential equation;
    f is a network of tanh."""

    def __init__(self, features: int, exog: int, hidden: int) -> None:
        super().__init__()
        self.rate = nn.Sequential(
            nn.Linear(features + exog, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, features),
        )

    def forward(self, x: torch.Tensor, exog: torch.Tensor) -> torch.Tensor:
        change: torch.Tensor = self.rate(torch.cat([x, exog], dim=1))
        return x + change


class Tide(nn.Module):
    """One row of a TiDE forecaster (Das et al. 2023) that carries its look-back as a state.

    (x [N, 1], exog [N, E], history [N, L]) -> (next x [N, 1], history with x at its end): a dense
    encoder and decoder of residual blocks, and a linear path from the look-back to the output.
    """

    def __init__(self, length: int, exog: int, hidden: int) -> None:
        super().__init__()
        self.encoder = ResidualBlock(length + exog, hidden, hidden)
        self.decoder = ResidualBlock(hidden, hidden, hidden // 2)
        self.temporal = ResidualBlock(hidden // 2 + exog, hidden, 1, norm=False)
        self.linear = nn.Linear(length, 1)

    def forward(
        self, x: torch.Tensor, exog: torch.Tensor, history: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        history = torch.cat([history[:, 1:], x], dim=1)
        code = self.decoder(self.encoder(torch.cat([history, exog], dim=1)))
        y = self.temporal(torch.cat([code, exog], dim=1)) + self.linear(history)
        return y, history


class ResidualBlock(nn.Module):
    """x [N, inputs] -> [N, outputs]: one hidden layer beside a linear skip, then layer norm."""

    def __init__(self, inputs: int, hidden: int, outputs: int, *, norm: bool = True) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, hidden)
        self.out = nn.Linear(hidden, outputs)
        self.skip = nn.Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs) if norm else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.norm(self.out(torch.relu(self.hidden(x))) + self.skip(x))
        return y
