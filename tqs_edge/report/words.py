"""Numbers as people say them, for the terminal and for plots."""

from __future__ import annotations

LEVEL = 0.05  # growth over ten steps below which nothing is said to grow or to fade


def percent(fraction: float) -> str:
    """0.1234 -> "12 %"; errors beyond the signal itself are "> 100 %": predictions end there."""
    if fraction > 1.0:
        return "> 100 %"
    value = 100.0 * fraction
    if value < 0.005:
        return "0 %" if value == 0.0 else "< 0.01 %"
    digits = 2 if value < 0.995 else 1 if value < 9.95 else 0
    return f"{value:.{digits}f} %"


def ten_steps(growth: float) -> str:
    """What a disturbance does late in the rollout, from its growth factor per step."""
    factor = growth**10
    if factor > 1.0 + LEVEL:
        return f"grows {factor:.3g}x per 10 steps"
    return "stays level" if factor > 1.0 - LEVEL else f"fades to {percent(factor)} in 10 steps"


def shorten_middle(name: str, room: int) -> str:
    """The name, its middle left out where it is longer than `room` characters."""
    if len(name) <= room:
        return name
    tail = (room - 1) * 2 // 3
    return f"{name[: room - 1 - tail]}…{name[-tail:]}"
