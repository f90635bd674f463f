"""What a runner hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class RunLog:
    """The frames of all rollouts and what was measured on the way.

    frames: int16 (contexts, horizon, F)
    stack_bytes: the most stack that was used, the driver's part included; None where not measured
    instructions_per_step: mean executed instructions of one model call (run/step_count.py), not
      cycles; None on the host and when counting is off
    instructions_by_function: the same by function, largest first
    cycles_per_step: mean cycles of one model call that a real core counted (DWT); a simulator has
      none
    remarks: what a reader of the numbers has to know, in sentences
    """

    frames: np.ndarray
    runner: str
    board: str
    stack_bytes: int | None = None
    instructions_per_step: float | None = None
    instructions_by_function: Mapping[str, float] | None = None
    cycles_per_step: float | None = None
    remarks: tuple[str, ...] = ()
