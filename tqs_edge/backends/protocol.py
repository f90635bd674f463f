"""What the score needs of whatever executes a model: rollouts with some tensors replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tqs_edge.graph.evaluate import Tap

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class WeightChange:
    """Values to add to rows [begin, begin + r) of the weight `path`.

    delta: (v, r, depth), one for each of the variants [first, first + v)
    """

    path: str
    begin: int
    first: int
    delta: torch.Tensor


class StepBackend(Protocol):
    """Rolls one model out, many variants at once.

    name: "graph", "torch", "onnxruntime" or "tvm"; label: what the user called the model
    dtype: the precision that the step computes in, which decides how small a probe may be
    weights: every replaceable matrix (rows, depth) by path
    tensors: shapes of what a tap sees, by name; a black box shows its input, exog and states only,
    in this order
    states: names of the carried tensors
    """

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def features(self) -> int: ...

    @property
    def weights(self) -> Mapping[str, np.ndarray]: ...

    @property
    def tensors(self) -> Mapping[str, tuple[int, ...]]: ...

    @property
    def states(self) -> tuple[str, ...]: ...

    def rollout(
        self,
        contexts: torch.Tensor,
        horizon: int,
        *,
        exog: torch.Tensor | None = None,
        changes: Sequence[WeightChange] = (),
        tap: Tap | None = None,
    ) -> torch.Tensor:
        """Frames (V, N, horizon, F) from contexts (V, N, rows, F) and exog (V, N, calls, E).

        Weight changes hold for the whole rollout. `tap` sees (name, value (V, N, *shape)) at every
        step and returns what the step reads instead.
        """
        ...
