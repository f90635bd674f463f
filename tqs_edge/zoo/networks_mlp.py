"""Stacked perceptrons over a window [N, L, F] -> the next K rows [N, K, F]."""

from __future__ import annotations

import torch
from torch import nn


class NBeats(nn.Module):
    """N-BEATS with generic blocks (Oreshkin et al. 2020), F = 1: every block explains a part of the
    window, hands on what is left of it and adds its share of the forecast."""

    def __init__(self, length: int, block: int, hidden: int, stacks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(NBeatsBlock(length, block, hidden) for _ in range(stacks))

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        residual = window.squeeze(2)
        forecast = residual[:, -1:]
        for block in self.blocks:
            backcast, share = block(residual)
            residual = residual - backcast
            forecast = forecast + share
        return forecast.unsqueeze(2)


class NBeatsBlock(nn.Module):
    """x [N, L] -> (backcast [N, L], forecast [N, K])."""

    def __init__(self, length: int, block: int, hidden: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(length, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.backcast = nn.Linear(hidden, length)
        self.forecast = nn.Linear(hidden, block)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inner = self.trunk(x)
        return self.backcast(inner), self.forecast(inner)


class DecompositionMlp(nn.Module):
    """A perceptron each for the moving average of the window and for what it leaves, a series
    decomposition as in Autoformer (Wu et al. 2021); predicts the change from the last row."""

    def __init__(self, length: int, features: int, block: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.average = nn.AvgPool1d(kernel, stride=1)
        self.trend = nn.Linear(length * features, hidden)
        self.season = nn.Linear(length * features, hidden)
        self.head = nn.Linear(2 * hidden, block * features)
        self.margin, self.shape = (kernel - 1) // 2, (block, features)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        front, end = (row.repeat(1, self.margin, 1) for row in (window[:, :1], window[:, -1:]))
        padded = torch.cat([front, window, end], dim=1)
        trend = self.average(padded.transpose(1, 2)).transpose(1, 2)
        parts = self.trend(trend.flatten(1)), self.season((window - trend).flatten(1))
        change: torch.Tensor = self.head(torch.relu(torch.cat(parts, dim=1)))
        rows: torch.Tensor = window[:, -1:] + change.reshape(len(window), *self.shape)
        return rows


class TsMixer(nn.Module):
    """TSMixer (Chen et al. 2023): perceptrons that mix the rows and the columns in turn; predicts
    the change from the last row."""

    def __init__(self, length: int, features: int, block: int, width: int, blocks: int) -> None:
        super().__init__()
        self.lift = nn.Linear(features, width)
        self.blocks = nn.ModuleList(MixerBlock(length, width) for _ in range(blocks))
        self.rows = nn.Linear(length, block)
        self.columns = nn.Linear(width, features)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        x = self.lift(window)
        for block in self.blocks:
            x = block(x)
        rows = self.rows(x.transpose(1, 2)).transpose(1, 2)
        change: torch.Tensor = self.columns(rows)
        return window[:, -1:] + change


class MixerBlock(nn.Module):
    """x [N, L, width] -> the same shape: a row mixer, then a column mixer, both residual."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.row_norm = nn.LayerNorm(width)
        self.row_mixer = nn.Linear(length, length)
        self.column_norm = nn.LayerNorm(width)
        self.column_mixer = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = torch.relu(self.row_mixer(self.row_norm(x).transpose(1, 2)))
        x = x + mixed.transpose(1, 2)
        out: torch.Tensor = x + self.column_mixer(self.column_norm(x))
        return out
