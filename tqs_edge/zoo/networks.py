"""The zoo's network: one GRU cell and a linear head, rolled out on its own output."""

from __future__ import annotations

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
