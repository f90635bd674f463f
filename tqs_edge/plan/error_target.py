"""How well a rollout must follow the float model, and what to spend least of for it."""

from __future__ import annotations

from dataclasses import dataclass

from tqs_edge.errors import InputError
from tqs_edge.plan.pareto import RESOURCES


@dataclass(frozen=True)
class ErrorTarget:
    """nrmse: most rollout error, in standard deviations of the float rollout (0.01 is 1 %);
    resource: "flash", "insns" or "avg_bits", of which the plan takes the least."""

    nrmse: float
    resource: str = "flash"

    def __post_init__(self) -> None:
        if not 0.0 < self.nrmse < 1.0:
            raise InputError(
                f"a rollout error of {self.nrmse:g} standard deviations is no target; give a part "
                "of one, as 0.01 for 1 %"
            )
        if self.resource not in RESOURCES:
            raise InputError(
                f"no plan is made for little '{self.resource}'; use one of {', '.join(RESOURCES)}"
            )
