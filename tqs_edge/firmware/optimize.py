"""What a build favours, small or fast code: `tqs-edge compile --optimize`."""

from __future__ import annotations

from enum import StrEnum

from tqs_edge.errors import InputError


class Optimize(StrEnum):
    """What the compiler is told, and which kernels are built. The frames are the same."""

    SIZE = "size"  # portable kernels, whose loops are shorter than those for a class of cores
    BALANCED = "balanced"  # what the planner's costs were measured with
    SPEED = "speed"  # the model's own loops unrolled


def parse_optimize(name: str) -> Optimize:
    """The choice called `name`; InputError lists the known ones."""
    try:
        return Optimize(name)
    except ValueError:
        known = ", ".join(Optimize)
        raise InputError(f"cannot optimize for '{name}'; use one of {known}") from None
