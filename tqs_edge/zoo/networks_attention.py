"""Attention over the patches of a window."""

from __future__ import annotations

import torch
from torch import nn


class PatchTransformer(nn.Module):
    """window [N, L, 1] -> the next K rows [N, K, 1] by an encoder over overlapping patches.

    PatchTST (Nie et al. 2023): patches, learned positions, pre-norm encoder layers, a linear head
    over all tokens; the window's mean is taken off before and put back after.
    """

    HEADS = 2

    def __init__(
        self, length: int, block: int, width: int, *, patch: int, stride: int, layers: int
    ) -> None:
        super().__init__()
        tokens = (length - patch) // stride + 1
        self.patch, self.stride = patch, stride
        self.embed = nn.Linear(patch, width)
        self.position = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.layers = nn.ModuleList(EncoderLayer(width, self.HEADS) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(tokens * width, block)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        mean = window.mean(dim=1, keepdim=True)
        series = (window - mean).squeeze(2)
        x = self.embed(series.unfold(1, self.patch, self.stride)) + self.position
        for layer in self.layers:
            x = layer(x)
        rows: torch.Tensor = self.head(self.norm(x).flatten(1))
        return rows.unsqueeze(2) + mean


class EncoderLayer(nn.Module):
    """Self-attention and a GELU network, each with a norm before and a residual around."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first_norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.second_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.first_norm(x)
        attended, _ = self.attention(inner, inner, inner, need_weights=False)
        x = x + attended
        out: torch.Tensor = x + self.feed(self.second_norm(x))
        return out
