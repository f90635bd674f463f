"""Operations of the graph that ATen has no single operation for, as torch operations."""

from __future__ import annotations

import torch

from tqs_edge.graph.functions import FUNCTIONS


@torch.library.custom_op("tqs::dense", mutates_args=())
def dense(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x @ weight^T [+ bias] over the last axis; weight (rows, depth), bias (rows,)."""
    return torch.nn.functional.linear(x, weight, bias)


@dense.register_fake
def _(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


@torch.library.custom_op("tqs::unfold", mutates_args=())
def unfold(x: torch.Tensor, kernel: int, dilation: int, stride: int) -> torch.Tensor:
    """(..., T, C) -> (..., T', kernel * C): y[t, j * C + c] = x[t * stride + j * dilation, c]."""
    count = unfolded_length(x.shape[-2], kernel, dilation, stride)
    starts = torch.arange(count)[:, None] * stride + torch.arange(kernel) * dilation
    return x[..., starts.flatten(), :].reshape(*x.shape[:-2], count, kernel * x.shape[-1])


@unfold.register_fake
def _(x: torch.Tensor, kernel: int, dilation: int, stride: int) -> torch.Tensor:
    count = unfolded_length(x.shape[-2], kernel, dilation, stride)
    return x.new_empty((*x.shape[:-2], count, kernel * x.shape[-1]))


@torch.library.custom_op("tqs::function", mutates_args=())
def function(x: torch.Tensor, name: str) -> torch.Tensor:
    """A function of `graph.functions.FUNCTIONS`, elementwise."""
    return FUNCTIONS[name].apply(x).contiguous()


@function.register_fake
def _(x: torch.Tensor, name: str) -> torch.Tensor:
    return x.new_empty(x.shape)


@torch.library.custom_op("tqs::normalize", mutates_args=())
def normalize(x: torch.Tensor, eps: float) -> torch.Tensor:
    """(x - mean) / sqrt(variance + eps) over the last axis, the variance over n."""
    return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=eps)


@normalize.register_fake
def _(x: torch.Tensor, eps: float) -> torch.Tensor:
    return x.new_empty(x.shape)


@torch.library.custom_op("tqs::deviation", mutates_args=())
def deviation(x: torch.Tensor, eps: float) -> torch.Tensor:
    """sqrt(variance + eps) over the last axis, which stays with extent 1."""
    return (x.var(-1, keepdim=True, correction=0) + eps).sqrt()


@deviation.register_fake
def _(x: torch.Tensor, eps: float) -> torch.Tensor:
    return x.new_empty((*x.shape[:-1], 1))


@torch.library.custom_op("tqs::choose", mutates_args=())
def choose(
    x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, threshold: float, strict: bool
) -> torch.Tensor:
    """a where x > threshold (x >= threshold unless strict), b elsewhere; broadcasting."""
    return torch.where(x > threshold if strict else x >= threshold, a, b).contiguous()


@choose.register_fake
def _(
    x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, threshold: float, strict: bool
) -> torch.Tensor:
    return torch.where(x > threshold, a, b)


def unfolded_length(length: int, kernel: int, dilation: int, stride: int) -> int:
    """How many windows of `kernel` rows, `dilation` apart, start every `stride` rows."""
    return (length - (kernel - 1) * dilation - 1) // stride + 1


tqs = torch.ops.tqs  # what is defined above, with its overloads
