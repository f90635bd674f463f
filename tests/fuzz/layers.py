"""Rules of modules with weights and of matrix products."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from tests.fuzz.arithmetic import Rule, Tensors


def layer(rng: random.Random, values: Tensors) -> Rule | None:
    """Modules with weights."""
    x = values[0]
    if not x.ndim:
        return None
    last, out = x.shape[-1], rng.randint(1, 5)
    kinds: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: nn.Linear(last, out, bias=rng.random() < 0.7),
        "layer_norm": lambda: nn.LayerNorm(last, elementwise_affine=rng.random() < 0.7),
        "rms_norm": lambda: nn.RMSNorm(last, eps=1e-3),
        "bilinear": lambda: _Two(nn.Bilinear(last, last, out)),
    }
    if x.ndim == 2 and x.shape[0] == 1:
        kinds["gru_cell"] = lambda: _Two(nn.GRUCell(last, last))
        kinds["rnn_cell"] = lambda: _Two(nn.RNNCell(last, last, nonlinearity="relu"))
    if x.ndim == 3:
        channels, length = x.shape[1:]
        size = rng.randint(1, min(3, length))
        kinds |= {
            "conv": lambda: nn.Conv1d(channels, out, size, padding=rng.randint(0, size - 1)),
            "conv_stride": lambda: nn.Conv1d(channels, out, size, stride=2),
            "conv_depthwise": lambda: nn.Conv1d(
                channels, 2 * channels, size, groups=channels, padding="same"
            ),
            "conv_dilated": lambda: nn.Sequential(
                nn.ConstantPad1d((2 * (size - 1), 0), 0.0),
                nn.Conv1d(channels, out, size, dilation=2),
            ),
            "conv_replicate": lambda: nn.Conv1d(
                channels, out, size, padding=min(1, length - 1), padding_mode="replicate"
            ),
            "conv_transposed": lambda: nn.ConvTranspose1d(channels, out, size, stride=2),
            "batch_norm": lambda: _Norm(nn.BatchNorm1d(channels)),
            "group_norm": lambda: nn.GroupNorm(1, channels, eps=1e-2),
            "instance_norm": lambda: nn.InstanceNorm1d(channels, eps=1e-2),
            "avg_pool": lambda: nn.AvgPool1d(size, stride=1),
            "avg_pool_padded": lambda: nn.AvgPool1d(3, stride=2, padding=1),
            "average_left": lambda: _Left(size, rng.randint(0, size - 1)),
            "average_cumulative": lambda: _Left(size, size - 1, cumulative=True),
            "max_pool": lambda: nn.MaxPool1d(size, stride=1),
            "gru": lambda: _First(nn.GRU(length, 3, batch_first=True)),
            "lstm": lambda: _First(nn.LSTM(length, 3, batch_first=True, bidirectional=True)),
            "attention": lambda: _First(_Self(nn.MultiheadAttention(length, 1, batch_first=True))),
        }
        if length == 1:
            for name in ("instance_norm", "group_norm"):
                kinds.pop(name)
    kind = rng.choice(tuple(kinds))
    try:
        module = kinds[kind]().eval()
        with torch.no_grad():
            module(x)
    except RuntimeError:
        return None
    return Rule(lambda m, x: m(x), parts=(module,), text=f"{kind} {out}")


def product(rng: random.Random, values: Tensors) -> Rule | None:
    """Matrix products of x with itself, and attention by hand."""
    x = values[0]
    if x.ndim < 2:
        return None
    root = x.shape[-1] ** 0.5
    kinds: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "gram": lambda x: x @ x.mT / root,
        "turned": lambda x: x.mT @ torch.tanh(x) / x.shape[-2],
        "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
        "causal": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
        "by_hand": lambda x: (x @ x.mT / root).softmax(-1) @ x,
        "einsum": lambda x: torch.einsum("...ij,...kj->...ik", x, x) / root,
        "outer": lambda x: x[..., :1] * x[..., :1].mT,
        "cosine": lambda x: F.cosine_similarity(x, x.flip(-1), dim=-1, eps=1e-2),
    }
    kind = rng.choice(tuple(kinds))
    return Rule(kinds[kind], text=kind)


class _Two(nn.Module):
    """A module of two tensors on x and a bent x."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x, torch.tanh(x))


class _Left(nn.Module):
    """What a moving average between repeated ends leaves of a series, and the average.

    Both beside zero: of a constant series rounding of their sums is left, whose sign no branch may
    hang on.
    """

    BESIDE_ZERO = 0.0173

    def __init__(self, kernel: int, before: int, *, cumulative: bool = False) -> None:
        super().__init__()
        self.kernel, self.before, self.cumulative = kernel, before, cumulative

    def forward(self, x):
        ends = (self.before + self.cumulative, self.kernel - 1 - self.before)
        padded = F.pad(x, ends, mode="replicate")
        if self.cumulative:
            total = padded.cumsum(-1)
            mean = (total[..., self.kernel :] - total[..., : -self.kernel]) / self.kernel
        else:
            mean = F.avg_pool1d(padded, self.kernel, 1)
        left = torch.cat([x - mean, torch.tanh(mean)], dim=1)
        return left + self.BESIDE_ZERO


class _First(nn.Module):
    """The first result of a module."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)[0]


class _Self(nn.Module):
    """Attention of x to itself."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x, x, x)


class _Norm(nn.Module):
    """A batch normalisation with statistics of its own."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        inner.running_mean.normal_()
        inner.running_var.uniform_(0.5, 2.0)

    def forward(self, x):
        return self.inner(x)
