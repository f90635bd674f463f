"""Layout operations on torch tensors with any leading batch dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tqs_edge.graph.graph import Node, Op

if TYPE_CHECKING:
    import torch

LAYOUT_OPS = (Op.SLICE, Op.CONCAT, Op.RESHAPE, Op.TRANSPOSE, Op.UNFOLD, Op.PUSH)


def move(node: Node, parts: list[torch.Tensor], rank: int) -> torch.Tensor:
    """What a node of LAYOUT_OPS makes of its inputs, of which the first has `rank` axes of the
    graph after its batch axes."""
    import torch

    x, attrs = parts[0], node.attrs
    batch = x.shape[: x.ndim - rank]
    match node.op:
        case Op.SLICE:
            return x.narrow(attrs["axis"], attrs["begin"], attrs["end"] - attrs["begin"])
        case Op.CONCAT:
            lead = max((part.shape[: -len(node.shape)] for part in parts), key=len)
            whole = [part.expand(*lead, *part.shape[-len(node.shape) :]) for part in parts]
            return torch.cat(whole, dim=attrs["axis"])
        case Op.RESHAPE:
            return x.reshape(*batch, *node.shape)
        case Op.TRANSPOSE:
            return x.permute(*range(len(batch)), *(axis + x.ndim for axis in attrs["axes"]))
        case Op.PUSH:
            axis, new = attrs["axis"], parts[1].shape[attrs["axis"]]
            return torch.cat([x.narrow(axis, new, x.shape[axis] - new), parts[1]], dim=axis)
        case Op.UNFOLD:
            reach = (attrs["kernel"] - 1) * attrs["dilation"] + 1
            windows = x.unfold(-2, reach, attrs["stride"])[..., :: attrs["dilation"]]
            return windows.transpose(-1, -2).reshape(*batch, *node.shape)
    raise AssertionError(node.op)
