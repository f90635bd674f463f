"""Rules of reductions, moves and concatenations."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch.nn import functional as F

from tests.fuzz.arithmetic import Rule, Tensors


def reduction(rng: random.Random, values: Tensors) -> Rule | None:
    x = values[0]
    if not x.ndim:
        return None
    axes = rng.sample(range(-x.ndim, 0), rng.randint(1, min(2, x.ndim)))
    axis, keep = axes[0], rng.random() < 0.6
    many = torch.Size([x.shape[a] for a in axes]).numel() > 1
    kinds: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "mean": lambda x: x.mean(axes, keepdim=keep),
        "sum": lambda x: x.sum(axes, keepdim=keep),
        "amax": lambda x: x.amax(axes, keepdim=keep),
        "amin": lambda x: x.amin(axes, keepdim=keep),
        "max": lambda x: x.max(axis, keepdim=keep).values,
        "min": lambda x: x.min(axis, keepdim=keep)[0],
        "std_biased": lambda x: (x.var(axes, keepdim=keep, unbiased=False) + 1e-3).sqrt(),
        "var_biased": lambda x: x.var(axes, keepdim=keep, correction=0),
        "norm": lambda x: x.norm(dim=axis, keepdim=keep),
        "norm1": lambda x: x.norm(p=1, dim=axis, keepdim=keep),
        "logsumexp": lambda x: torch.logsumexp(x, axes, keepdim=keep),
        "prod": lambda x: torch.tanh(x).prod(axis, keepdim=keep),
        "all_mean": lambda x: x.mean(),
        "count": lambda x: (x > 0).float().mean(axis, keepdim=keep),
        "any": lambda x: torch.where((x > 0.5).any(axis, keepdim=True), 0.3, x),
        "cumsum": lambda x: x.cumsum(axis) * 0.5,
        "cumprod": lambda x: torch.tanh(x).cumprod(axis),
        "cummax": lambda x: x.cummax(axis).values,
        "logcumsumexp": lambda x: torch.logcumsumexp(x, axis),
        "diff": lambda x: torch.diff(x, dim=axis) if x.shape[axis] > 1 else x,
        "softmax": lambda x: x.softmax(axis),
        "log_softmax": lambda x: x.log_softmax(axis),
        "softmin": lambda x: F.softmin(x, axis),
        "normalize": lambda x: F.normalize(x, dim=axis, eps=1e-3),
        "center": lambda x: x - x.mean(axis, keepdim=True),
        "less_last": lambda x: x - x.narrow(axis, x.shape[axis] - 1, 1),
    }
    if many:
        kinds["var"] = lambda x: x.var(axes, keepdim=keep)
        kinds["std"] = lambda x: (x.var(axes, keepdim=keep) + 1e-4).sqrt()
        kinds["revin"] = lambda x: (
            (x - x.mean(axis, True)) / (x.var(axis, keepdim=True, unbiased=False) + 1e-2).sqrt()
        )
    kind = rng.choice(tuple(kinds))
    return Rule(kinds[kind], text=f"{kind} {axes} keep={keep}")


def layout(rng: random.Random, values: Tensors) -> Rule | None:
    x = values[0]
    if not x.ndim:
        return None
    shape, axis = x.shape, rng.randrange(x.ndim)
    extent = shape[axis]
    begin = rng.randrange(extent)
    end = rng.randint(begin + 1, extent)
    order = rng.sample(range(x.ndim), x.ndim)
    sizes = [end, extent - end] if end < extent else [extent]
    index = [rng.randrange(extent) for _ in range(rng.randint(1, 4))]
    flat = rng.choice([d for d in range(1, x.numel() + 1) if x.numel() % d == 0])
    pad = [rng.randint(0, 2), rng.randint(0, 2)]
    shift = rng.randint(-3, 3)
    kinds: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "slice": lambda x: x.narrow(axis, begin, end - begin),
        "stride": lambda x: x[..., ::2],
        "select": lambda x: x.select(axis, begin) if x.ndim > 1 else x,
        "permute": lambda x: x.permute(order),
        "flip": lambda x: x.flip(axis),
        "roll": lambda x: x.roll(shift, axis),
        "reshape": lambda x: x.reshape(1, flat, -1),
        "reshape2": lambda x: x.reshape(-1, flat),
        "split": lambda x: torch.cat(list(x.split(sizes, axis))[::-1], axis),
        "chunk": lambda x: (
            sum(x.narrow(axis, 0, extent // 2 * 2).chunk(2, axis)) if extent > 1 else x
        ),
        "index": lambda x: x.index_select(axis, torch.tensor(index)),
        "unsqueeze": lambda x: x.unsqueeze(axis),
        "squeeze": lambda x: x.squeeze() if x.numel() > 1 else x,
        "repeat": lambda x: x.repeat(*[1] * (x.ndim - 1), 2),
        "interleave": lambda x: x.repeat_interleave(2, axis),
        "pad": lambda x: F.pad(x, pad, value=0.2),
        "unfold": lambda x: x.unfold(axis, min(2, extent), 1),
        "stack": lambda x: torch.stack([x, -x], axis),
        "unbind": lambda x: torch.stack(x.unbind(axis)[::-1], axis),
        "tril": lambda x: x.tril() if x.ndim > 1 else x,
        "triu": lambda x: x.triu(1) if x.ndim > 1 else x,
        "expand": lambda x: x.unsqueeze(0).expand(2, *x.shape),
        "diagonal": lambda x: x.diagonal(dim1=-2, dim2=-1) if x.ndim > 1 else x,
        "empty": lambda x: torch.cat([x, x.narrow(axis, 0, 0)], axis),
        "mirror": lambda x: torch.cat([x, x.flip(axis)], axis),
        "swap": lambda x: x.transpose(0, -1),
    }
    if x.ndim == 3:
        kinds["replicate"] = lambda x: F.pad(x, pad, mode="replicate")
        if shape[-1] > 2:
            kinds["reflect"] = lambda x: F.pad(x, pad, mode="reflect")
            kinds["circular"] = lambda x: F.pad(x, pad, mode="circular")
    kind = rng.choice(tuple(kinds))
    return Rule(kinds[kind], text=f"{kind} axis={axis} [{begin}:{end}] {order} {index} {flat}")


def concat(rng: random.Random, values: Tensors) -> Rule | None:
    x, *there = values
    if not x.ndim:
        return None
    axis = rng.randrange(x.ndim)

    def fits(other: torch.Tensor) -> bool:
        same = len(other.shape) == x.ndim
        return same and all(
            a == b for i, (a, b) in enumerate(zip(x.shape, other.shape, strict=True)) if i != axis
        )

    suits = [i for i, other in enumerate(there) if fits(other)]
    if rng.random() < 0.3:
        stored = torch.randn(x.shape) * rng.choice((1.0, 20.0))
        return Rule(lambda c, x: torch.cat([c, x], axis), constants=(stored,), text="with constant")
    return Rule(lambda a, b: torch.cat([b, a], axis), (rng.choice(suits),), text=f"axis={axis}")
