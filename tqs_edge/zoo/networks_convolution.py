"""Convolutions over time: window [N, L, F] -> the next row [N, 1, F], or the next K."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class TemporalConvNet(nn.Module):
    """Dilated causal convolutions, padded on the left, each with a residual connection.

    Bai et al. 2018, one convolution per block: the receptive field is 1 + 2 sum(dilations) rows.
    """

    KERNEL = 3

    def __init__(self, features: int, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.lift = nn.Conv1d(features, channels, 1)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, self.KERNEL, dilation=d) for d in dilations
        )
        self.head = nn.Linear(channels, features)
        self.dilations = dilations

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        x = self.lift(window.transpose(1, 2))
        for dilation, convolution in zip(self.dilations, self.convolutions, strict=True):
            padded = F.pad(x, (dilation * (self.KERNEL - 1), 0))
            x = x + torch.relu(convolution(padded))
        row: torch.Tensor = self.head(x[:, :, -1])
        return row.unsqueeze(1)


class WaveNet(nn.Module):
    """Gated dilated causal convolutions with residual and skip connections; predicts the change.

    Van den Oord et al. 2016. Every convolution pads both ends and the surplus is cut off the right.
    """

    KERNEL = 3

    def __init__(self, features: int, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.lift = nn.Conv1d(features, channels, 1)
        self.layers = nn.ModuleList(GatedLayer(channels, self.KERNEL, d) for d in dilations)
        self.first = nn.Conv1d(channels, channels, 1)
        self.second = nn.Conv1d(channels, features, 1)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        x = self.lift(window.transpose(1, 2))
        skips = torch.zeros_like(x)
        for layer in self.layers:
            x, skip = layer(x)
            skips = skips + skip
        change = self.second(torch.relu(self.first(torch.relu(skips)))).transpose(1, 2)
        row: torch.Tensor = window[:, -1:] + change[:, -1:]
        return row


class GatedLayer(nn.Module):
    """x -> (x + residual(z), skip(z)), all [N, C, L], with z = tanh(filter(x)) sigmoid(gate(x))."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        surplus = dilation * (kernel - 1)
        self.filter = nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=surplus)
        self.gate = nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=surplus)
        self.residual = nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, channels, 1)
        self.surplus = surplus

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gated = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        gated = gated[:, :, : -self.surplus]
        return x + self.residual(gated), self.skip(gated)


class PatchConvNet(nn.Module):
    """Convolutions over overlapping patches: window [N, L, F] -> the next K rows [N, K, F].

    A strided convolution embeds patches, two more mix neighbours, a linear head reads what is left
    of them and predicts the change from the window's last row.
    """

    def __init__(self, length: int, features: int, block: int, channels: int) -> None:
        super().__init__()
        patch, stride, kernel = 2 * block, block, 3
        left = (length - patch) // stride + 1 - 2 * (kernel - 1)
        self.embed = nn.Conv1d(features, channels, patch, stride=stride)
        self.mix = nn.ModuleList(nn.Conv1d(channels, channels, kernel) for _ in range(2))
        self.head = nn.Linear(left * channels, block * features)
        self.block = block

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.embed(window.transpose(1, 2)))
        for convolution in self.mix:
            x = torch.tanh(convolution(x))
        change = self.head(x.flatten(1)).reshape(len(window), self.block, window.shape[2])
        rows: torch.Tensor = window[:, -1:] + change
        return rows


class SeparableConvNet(nn.Module):
    """Depthwise separable convolutions as in MobileNet, halving the time axis by average pooling;
    predicts the change."""

    BLOCKS = 2

    def __init__(self, length: int, features: int, channels: int) -> None:
        super().__init__()
        self.lift = nn.Conv1d(features, channels, 1)
        self.blocks = nn.Sequential(
            *(
                part
                for _ in range(self.BLOCKS)
                for part in (
                    nn.Conv1d(channels, channels, 5, padding=2, groups=channels, bias=False),
                    nn.BatchNorm1d(channels),
                    nn.ReLU6(),
                    nn.Conv1d(channels, channels, 1, bias=False),
                    nn.BatchNorm1d(channels),
                    nn.ReLU6(),
                    nn.AvgPool1d(2),
                )
            )
        )
        self.head = nn.Linear(channels * (length // 2**self.BLOCKS), features)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.lift(window.transpose(1, 2)))
        change: torch.Tensor = self.head(x.flatten(1))
        return window[:, -1:] + change.unsqueeze(1)
