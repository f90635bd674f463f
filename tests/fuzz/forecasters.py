"""Random convolutional forecasters: padding, strides, pooling, covariates, heads of all kinds."""

from __future__ import annotations

import random

import torch
from torch import nn
from torch.nn import functional

HEADS = ("last", "all", "all", "mean", "two", "patches")


class Causal(nn.Module):
    """A convolution padded on the left, as a residual if `residual`."""

    def __init__(self, rng: random.Random, channels: int, out: int, *, residual: bool) -> None:
        super().__init__()
        dilation, kernel = rng.randint(1, 3), rng.randint(1, 3)
        self.reach, self.residual = (kernel - 1) * dilation, residual
        self.conv = nn.Conv1d(channels, out, kernel, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(functional.pad(x, (self.reach, 0)))
        return x + torch.tanh(y) if self.residual else y


class Cut(nn.Module):
    """Without the `count` oldest rows."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, self.count :]


class Forecaster(nn.Module):
    """window [1, L, F], exog [1, R, E] -> [1, K, F]; every choice comes from `rng`."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        torch.manual_seed(rng.randrange(1 << 30))
        self.features, self.block = rng.choice((1, 1, 2)), rng.choice((1, 1, 2, 3, 4))
        self.length = rng.randint(20, 40)
        self.known = rng.choice((0, self.length, self.length + self.block, rng.randint(1, 20)))
        columns = 2 if self.known else 0
        self.joined = self.known >= self.length
        self.first = rng.randint(0, max(self.known - self.length, 0))
        self.ahead = min(self.known, self.block) if rng.random() < 0.5 or not self.joined else 0
        channels = self.features + columns * self.joined
        self.layers = nn.Sequential()
        for _ in range(rng.randint(1, 5)):
            self._append(rng, channels)
            _, channels, rows = self.layers(torch.zeros(1, channels_in(self), self.length)).shape
        self.kind = rng.choice(HEADS)
        self.patch, self.stride = min(rng.randint(2, 4), rows), rng.randint(1, 4)
        self.embed = nn.Linear(channels * self.patch, 4)
        sample = torch.zeros(1, channels, rows)
        width = self.read(sample).shape[1] + columns * self.ahead
        self.head = nn.Linear(width, self.block * self.features)

    @property
    def example_inputs(self) -> tuple[torch.Tensor, ...]:
        window = torch.zeros(1, self.length, self.features)
        return (window, torch.zeros(1, self.known, 2)) if self.known else (window,)

    def _append(self, rng: random.Random, channels: int) -> None:
        rows = self.layers(torch.zeros(1, channels_in(self), self.length)).shape[2]
        kernel, dilation, out = rng.randint(1, 4), rng.randint(1, 2), rng.randint(2, 5)
        if (kernel - 1) * dilation >= rows:
            return
        stride = rng.choice((1, 1, 2, 3, 4))
        made: nn.Module = rng.choice(
            (
                Causal(rng, channels, out, residual=False),
                Causal(rng, channels, channels, residual=True),
                nn.Conv1d(channels, out, kernel, stride, dilation=dilation),
                nn.Conv1d(channels, out, kernel, stride, dilation=dilation),
                nn.AvgPool1d(kernel, stride),
                nn.MaxPool1d(kernel, stride),
                nn.Conv1d(channels, out, 3, padding=1),
                Cut(rng.randint(0, min(3, rows - 1))),
                nn.Sequential(nn.Conv1d(channels, out, 1), nn.Tanh()),
                nn.ReLU(),
            )
        )
        self.layers.append(made)

    def read(self, x: torch.Tensor) -> torch.Tensor:
        """What the head reads of x [1, C, rows]."""
        if self.kind == "last":
            return x[:, :, -1]
        if self.kind == "mean":
            return x.mean(2)
        if self.kind == "two":
            return torch.cat([x[:, :, -1], x[:, :, -min(4, x.shape[2])]], 1)
        if self.kind == "patches":
            patches = x.transpose(1, 2).unfold(1, self.patch, self.stride).flatten(2)
            return torch.tanh(self.embed(patches)).flatten(1)
        return x.flatten(1)

    def forward(self, window: torch.Tensor, exog: torch.Tensor | None = None) -> torch.Tensor:
        x = window
        if self.joined:
            x = torch.cat([x, exog[:, self.first : self.first + self.length]], 2)
        row = self.read(self.layers(x.transpose(1, 2)))
        if self.ahead:
            row = torch.cat([row, exog[:, -self.ahead :].flatten(1)], 1)
        return 0.5 * torch.tanh(self.head(row)).reshape(1, self.block, self.features)


def channels_in(model: Forecaster) -> int:
    """Columns of what the first layer reads."""
    return model.features + 2 * model.joined
