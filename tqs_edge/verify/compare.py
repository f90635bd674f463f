"""Bit-exact comparison of integer frames, naming the first difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Mismatch:
    """The first frame value that differs, in the order of time, then context, then feature."""

    context: int
    step: int
    feature: int
    want: int
    got: int
    count: int

    def __str__(self) -> str:
        return (
            f"step {self.step}, context {self.context}, output[{self.feature}]: "
            f"want {self.want}, got {self.got} ({self.count} values differ)"
        )


def first_mismatch(want: NDArray[np.int16], got: NDArray[np.int16]) -> Mismatch | None:
    """None where both int16 (contexts, horizon, F) arrays are equal in shape and every value."""
    if want.shape != got.shape:
        raise ValueError(f"frames of shape {got.shape}, expected {want.shape}")
    differs = np.argwhere((want != got).transpose(1, 0, 2))
    if not len(differs):
        return None
    step, context, feature = (int(v) for v in differs[0])
    where = (context, step, feature)
    return Mismatch(context, step, feature, int(want[where]), int(got[where]), len(differs))
