"""What changed weight rows bring to a dense output, x dW^T, beside one product for all variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tqs_edge.backends.protocol import WeightChange


@dataclass(frozen=True, eq=False)
class ChangedRows:
    """Equal blocks of one weight, evenly spaced in rows and next to each other in variants.

    delta: (blocks * v, depth, r), transposed; block i changes r rows from begin + i stride on, of
    the variants [first + i v, first + (i + 1) v)
    """

    path: str
    begin: int
    stride: int
    first: int
    blocks: int
    delta: torch.Tensor

    def add_to(self, out: torch.Tensor, x: torch.Tensor) -> None:
        """out += x dW^T in place for contiguous out (V, N, ..., rows) and x (V, N, ..., depth)."""
        count, depth, rows = self.delta.shape
        inputs = x.narrow(0, self.first, count).reshape(count, -1, depth)
        products = torch.bmm(inputs, self.delta)
        inner, width = products.shape[1], out.shape[-1]
        v = count // self.blocks
        # Block i of the variants meets block i of the rows.
        own = out.as_strided(
            (self.blocks, v, inner, rows),
            (v * inner * width + self.stride, inner * width, width, 1),
            out.storage_offset() + self.first * inner * width + self.begin,
        )
        own.add_(products.view(own.shape))


def merge_changes(changes: Sequence[WeightChange], dtype: torch.dtype) -> tuple[ChangedRows, ...]:
    """The same changes in `dtype`, in as few products as their order allows."""
    runs: list[list[WeightChange]] = []
    for change in changes:
        if runs and _continues(runs[-1], change):
            runs[-1].append(change)
        else:
            runs.append([change])
    return tuple(
        ChangedRows(
            run[0].path,
            run[0].begin,
            _stride(run),
            run[0].first,
            len(run),
            torch.cat([change.delta for change in run]).to(dtype).transpose(1, 2),
        )
        for run in runs
    )


def _stride(run: Sequence[WeightChange]) -> int:
    return run[1].begin - run[0].begin if len(run) > 1 else 0


def _continues(run: Sequence[WeightChange], change: WeightChange) -> bool:
    last = run[-1]
    return (
        last.path == change.path
        and last.delta.shape == change.delta.shape
        and last.first + len(last.delta) == change.first
        and (len(run) == 1 or change.begin - last.begin == _stride(run))
    )
