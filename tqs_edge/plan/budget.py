"""What a device allows, and what to say when nothing fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tqs_edge.errors import BudgetInfeasible, InputError
from tqs_edge.plan.cost import RESOURCES, CostTable

NAMES = {
    "flash": "flash bytes",
    "ram": "RAM bytes",
    "insns": "instructions per step",
    "avg_bits": "average weight bits",
}


@dataclass(frozen=True)
class Budget:
    """Upper limits; None means no limit. avg_bits is the mean stored width of a weight."""

    flash: int | None = None
    ram: int | None = None
    insns: float | None = None
    avg_bits: float | None = None

    def limits(self) -> dict[str, float]:
        """The limits that are set, by resource name. Raises InputError for one that is not > 0."""
        limits = {name: getattr(self, name) for name in RESOURCES}
        limits = {name: float(v) for name, v in limits.items() if v is not None}
        for name, value in limits.items():
            if not value > 0.0:
                raise InputError(f"a budget of {value:g} {NAMES[name]} is not above zero")
        return limits


def fits(costs: CostTable, choices: np.ndarray, limits: Mapping[str, float]) -> np.ndarray:
    """Which of the choices (plans, sites) keep every limit, (plans,) bool."""
    usage = costs.usage(choices)
    ok = np.ones(len(np.atleast_2d(choices)), bool)
    for name, limit in limits.items():
        ok &= usage[name] <= limit * (1.0 + 1e-9)
    return ok


def infeasible(least: Mapping[str, float], limits: Mapping[str, float]) -> BudgetInfeasible:
    """The error for limits that no plan keeps.

    least: least value of a binding limit with which a plan exists, given the other limits; empty
    when relaxing one limit alone does not help.
    """
    if not least:
        text = ", ".join(f"{limits[name]:g} {NAMES[name]}" for name in limits)
        return BudgetInfeasible(f"no plan keeps {text} together; relax at least two of them")
    parts = [
        f"{limits[name]:g} {NAMES[name]} are too few: the least that works"
        f"{' with the other limits' if len(limits) > 1 else ''} is {_up(name, value)}"
        for name, value in least.items()
    ]
    return BudgetInfeasible("no plan fits: " + "; or ".join(parts))


def _up(name: str, value: float) -> str:
    return f"{np.ceil(value * 100) / 100:g}" if name == "avg_bits" else f"{np.ceil(value):.0f}"
