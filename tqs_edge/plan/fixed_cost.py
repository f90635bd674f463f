"""What a step costs under every plan alike, and what the choice of widths changes besides dense
kernels: estimated by pipeline/step_estimate.py, then measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fixed:
    """What every plan of a model costs alike: flash bytes, RAM bytes, instructions per step.

    narrow, narrow_flash: tensor that dense layers read -> instructions and bytes more where it has
    8 bits; call: instructions of a call of a dense kernel, beside the kernel's own; scales: dense
    node -> output scale, which decides how kernels shift
    """

    flash: float
    ram: float
    insns: float
    narrow: Mapping[str, float] = field(default_factory=dict)
    narrow_flash: Mapping[str, float] = field(default_factory=dict)
    call: float = 0.0
    scales: Mapping[str, float] = field(default_factory=dict)


NOTHING_FIXED = Fixed(0.0, 0.0, 0.0)
