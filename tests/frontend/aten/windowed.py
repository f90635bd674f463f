"""Forecasters that read a window of rows and return the next ones."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

LENGTH, FEATURES = 8, 3


class Chomp(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x):
        return x[:, :, : -self.size].contiguous()


class TcnBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, dilation: int, norm) -> None:
        super().__init__()
        pad = 2 * dilation
        self.conv1 = norm(nn.Conv1d(inputs, outputs, 3, padding=pad, dilation=dilation))
        self.conv2 = norm(nn.Conv1d(outputs, outputs, 3, padding=pad, dilation=dilation))
        self.net = nn.Sequential(
            self.conv1, Chomp(pad), nn.ReLU(), nn.Dropout(0.2), self.conv2, Chomp(pad), nn.ReLU()
        )
        self.down = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        return torch.relu(self.net(x) + self.down(x))


class Tcn(nn.Module):
    """Bai et al.'s network with weight normalisation and chomped padding."""

    def __init__(self, norm) -> None:
        super().__init__()
        self.blocks = nn.Sequential(TcnBlock(FEATURES, 4, 1, norm), TcnBlock(4, 4, 2, norm))
        self.head = nn.Linear(4, FEATURES)

    def forward(self, w):
        hidden = self.blocks(w.transpose(1, 2))
        return self.head(hidden[:, :, -1]).unsqueeze(1)


class WaveNet(nn.Module):
    """Gated dilated convolutions with residual and skip connections."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(FEATURES, 4, 1)
        self.filters = nn.ModuleList(nn.Conv1d(4, 4, 2, dilation=d) for d in (1, 2))
        self.gates = nn.ModuleList(nn.Conv1d(4, 4, 2, dilation=d) for d in (1, 2))
        self.skips = nn.ModuleList(nn.Conv1d(4, 4, 1) for _ in range(2))
        self.last = nn.Conv1d(4, FEATURES, 1)

    def forward(self, w):
        x, total = self.first(w.permute(0, 2, 1)), 0
        for i, d in enumerate((1, 2)):
            padded = F.pad(x, (d, 0))
            gated = torch.tanh(self.filters[i](padded)) * torch.sigmoid(self.gates[i](padded))
            total = total + self.skips[i](gated)
            x = x + gated
        return self.last(F.relu(total)).permute(0, 2, 1)[:, -1:]


class DepthwiseNet(nn.Module):
    """Depthwise separable and grouped convolutions with batch normalisation and pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(FEATURES, 4, 3, padding="same"),
            nn.BatchNorm1d(4),
            nn.ReLU6(),
            nn.ConstantPad1d((2, 0), 0.0),
            nn.Conv1d(4, 4, 3, groups=4),
            nn.BatchNorm1d(4),
            nn.Hardswish(),
            nn.Conv1d(4, 8, 1, bias=False),
            nn.BatchNorm1d(8),
            nn.Conv1d(8, 8, 3, stride=2, padding=1, groups=2, padding_mode="replicate"),
            nn.MaxPool1d(2),
            nn.SiLU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(8, FEATURES),
        )
        for layer in self.net:
            if isinstance(layer, nn.BatchNorm1d):
                with torch.no_grad():
                    layer.running_mean.normal_()
                    layer.running_var.uniform_(0.5, 2)
                    layer.weight.normal_()

    def forward(self, w):
        return self.net(w.transpose(1, 2)).unsqueeze(1)


class DLinear(nn.Module):
    """A moving average with replicated ends, one linear layer each for trend and rest."""

    def __init__(self) -> None:
        super().__init__()
        self.average = nn.AvgPool1d(5, stride=1)
        self.trend, self.rest = nn.Linear(LENGTH, 2), nn.Linear(LENGTH, 2)

    def forward(self, w):
        front, end = w[:, 0:1].repeat(1, 2, 1), w[:, -1:].repeat(1, 2, 1)
        trend = self.average(torch.cat([front, w, end], 1).permute(0, 2, 1))
        rest = w.permute(0, 2, 1) - trend
        return (self.rest(rest) + self.trend(trend)).permute(0, 2, 1)


class NBeats(nn.Module):
    """Two blocks with a polynomial and a Fourier basis as buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.size = LENGTH * FEATURES
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(self.size, 6), nn.ReLU(), nn.Linear(6, 6)) for _ in range(2)
        )
        time = torch.arange(self.size + FEATURES) / self.size
        self.register_buffer("trend", torch.stack([time**i for i in range(6)]))
        waves = [f(2 * math.pi * k * time) for k in (1, 2, 3) for f in (torch.sin, torch.cos)]
        self.register_buffer("season", torch.stack(waves))

    def forward(self, w):
        rest, total = w.flatten(1), 0
        for block, basis in zip(self.blocks, (self.trend, self.season), strict=True):
            back, ahead = (block(rest) @ basis).split([self.size, FEATURES], -1)
            rest, total = rest - back, total + ahead
        return total.reshape(1, 1, FEATURES)


class TsMixer(nn.Module):
    """Mixing over time and features; normalisation of both axes at once, or batch norm."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        self.batch = norm == "batch"
        make = (
            (lambda: nn.BatchNorm1d(LENGTH * FEATURES))
            if self.batch
            else lambda: nn.LayerNorm([LENGTH, FEATURES])
        )
        self.norm1, self.norm2 = make(), make()
        self.time = nn.Linear(LENGTH, LENGTH)
        self.features = nn.Sequential(nn.Linear(FEATURES, 6), nn.GELU(), nn.Linear(6, FEATURES))
        self.head = nn.Linear(LENGTH, 1)

    def norm(self, layer, x):
        return layer(x.flatten(1)).reshape(x.shape) if self.batch else layer(x)

    def forward(self, w):
        w = w + F.relu(self.time(self.norm(self.norm1, w).transpose(1, 2))).transpose(1, 2)
        w = w + self.features(self.norm(self.norm2, w))
        return self.head(w.transpose(1, 2)).transpose(1, 2)


class RevIn(nn.Module):
    """Reversible instance normalisation around an inner model."""

    def __init__(self, inner: nn.Module, *, unbiased: bool) -> None:
        super().__init__()
        self.inner, self.unbiased = inner, unbiased
        self.gain = nn.Parameter(torch.rand(FEATURES) + 0.5)
        self.offset = nn.Parameter(torch.randn(FEATURES))

    def forward(self, w):
        mean = w.mean(dim=1, keepdim=True)
        std = torch.sqrt(torch.var(w, dim=1, keepdim=True, unbiased=self.unbiased) + 1e-5)
        y = self.inner((w - mean) / std * self.gain + self.offset)
        return (y - self.offset) / (self.gain + 1e-10) * std + mean


class PatchTst(nn.Module):
    """Channel independent patches, a positional embedding, one encoder layer."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 4)
        self.position = nn.Parameter(torch.randn(3, 4) * 0.1)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, **options)
        self.head = nn.Linear(12, 1)

    def forward(self, w):
        patches = w.permute(0, 2, 1).unfold(-1, 4, 2)  # (1, F, 3, 4)
        tokens = self.embed(patches).reshape(FEATURES, 3, 4) + self.position
        hidden = self.encoder(tokens)
        return self.head(hidden.flatten(1)).reshape(1, 1, FEATURES)


class CausalTransformer(nn.Module):
    """nn.MultiheadAttention under a mask of minus infinities, last row out."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(FEATURES, 4), nn.Linear(4, FEATURES)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        mask = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)
        self.register_buffer("mask", mask)

    def forward(self, w):
        x = self.embed(w)
        mixed, _ = self.attention(x, x, x, attn_mask=self.mask, need_weights=False)
        return self.head(self.norm(x + mixed))[:, -1:]


class SelfAttention(nn.Module):
    """Attention written by hand, masked by a buffer of ones."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.head = nn.Linear(FEATURES, 12), nn.Linear(4, FEATURES)
        self.register_buffer("keep", torch.ones(LENGTH, LENGTH).tril())

    def forward(self, w):
        q, k, v = self.qkv(w).chunk(3, -1)
        scores = q @ k.transpose(-2, -1) / math.sqrt(4)
        scores = scores.masked_fill(self.keep == 0, float("-inf"))
        return self.head(torch.einsum("bqk,bkd->bqd", scores.softmax(-1), v))[:, -1:]
