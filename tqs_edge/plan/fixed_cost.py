"""What a step costs under every plan alike, and what the choice of widths changes besides dense
kernels: estimated by pipeline/step_estimate.py, then measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Fixed:
    """What every plan of a model costs alike: flash bytes, RAM bytes, instructions per step.

    narrow, narrow_flash: tensor that dense layers read -> instructions and bytes more where it has
    8 bits; call: instructions of a call of a dense kernel, beside the kernel's own; factors: dense
    node -> width of its activation -> (rows,) by what kernels multiply each row per unit of the
    scale of its weights, which decides how they shift
    """

    flash: float
    ram: float
    insns: float
    narrow: Mapping[str, float] = field(default_factory=dict)
    narrow_flash: Mapping[str, float] = field(default_factory=dict)
    call: float = 0.0
    factors: Mapping[str, Mapping[int, np.ndarray]] = field(default_factory=dict)


NOTHING_FIXED = Fixed(0.0, 0.0, 0.0)
