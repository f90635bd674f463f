"""Linear forecasters: window [N, L, F] -> the next K rows [N, K, F], each feature for itself.

Zeng et al. 2023, "Are Transformers effective for time series forecasting?"; Li et al. 2023,
"Revisiting long-term time series forecasting: an investigation on linear mapping".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class DLinear(nn.Module):
    """One linear map for the moving average of the window and one for what it leaves."""

    def __init__(self, length: int, block: int, kernel: int) -> None:
        super().__init__()
        self.average = nn.AvgPool1d(kernel, stride=1)
        self.trend = nn.Linear(length, block)
        self.season = nn.Linear(length, block)
        self.margin = (kernel - 1) // 2

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        x = window.transpose(1, 2)
        trend = self.average(F.pad(x, (self.margin, self.margin), mode="replicate"))
        rows: torch.Tensor = self.season(x - trend) + self.trend(trend)
        return rows.transpose(1, 2)


class NLinear(nn.Module):
    """A linear map of the window less its last row."""

    def __init__(self, length: int, block: int) -> None:
        super().__init__()
        self.linear = nn.Linear(length, block)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        last = window[:, -1:]
        rows: torch.Tensor = self.linear((window - last).transpose(1, 2))
        return rows.transpose(1, 2) + last


class RLinear(nn.Module):
    """A linear map of the window in units of its own mean and deviation (RevIN, Kim et al. 2022)"""

    def __init__(self, length: int, block: int) -> None:
        super().__init__()
        self.linear = nn.Linear(length, block)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        mean = window.mean(dim=1, keepdim=True)
        deviation = torch.sqrt(window.var(dim=1, keepdim=True, unbiased=False) + 1e-5)
        rows: torch.Tensor = self.linear(((window - mean) / deviation).transpose(1, 2))
        return rows.transpose(1, 2) * deviation + mean
