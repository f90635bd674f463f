"""Which 8-bit activations carry their rounding errors over to the next step.

Error feedback (integer/error_feedback.py) pays where a slow model adds up what enters it, and makes
things worse where it does not: the next step's error is then twice this one's. Rollouts decide.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from enum import StrEnum

from tqs_edge.errors import InputError
from tqs_edge.graph.dense_views import unmoved
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.plan_rollouts import PlanRollouts, plan_rollouts
from tqs_edge.plan.wide_states import WIDE_STATE_BITS
from tqs_edge.sensitivity.batch import CleanRollouts

LEAST_GAIN = 0.1  # of the damage, for which a tensor's rests are worth their bytes and instructions


class ErrorFeedback(StrEnum):
    """Which activations of 8 bits have error feedback."""

    AUTO = "auto"  # those for which the rollout errs less
    ON = "on"  # all
    OFF = "off"


def parse_feedback(name: str) -> ErrorFeedback:
    """The choice called `name`; InputError lists the known ones."""
    try:
        return ErrorFeedback(name)
    except ValueError:
        known = ", ".join(ErrorFeedback)
        raise InputError(f"no error feedback '{name}'; use one of {known}") from None


def with_feedback(
    model: RolloutModel, plan: BitPlan, ranges: Mapping[str, float], clean: CleanRollouts
) -> BitPlan:
    """`plan` with error feedback of the activations whose rollouts from `clean` err less by it.

    All or none, whichever is better; then each alone is changed where that pays. Weights stay float
    meanwhile, so that nothing but the rounding of activations and states is seen.
    """
    sources = narrow_sources(model.graph, plan)
    if not sources:
        return plan
    rollouts = plan_rollouts(model, plan, ranges, clean)
    none, every = (_damage(rollouts, sources, chosen) for chosen in ((), sources))
    chosen, damage = (set(sources), every) if every < none else (set[str](), none)
    for source in sources:
        changed = chosen ^ {source}
        other = _damage(rollouts, sources, changed)
        saved = len(changed) < len(chosen)
        if other <= damage if saved else other < damage * (1.0 - LEAST_GAIN):
            chosen, damage = changed, other
    if not damage < none * (1.0 - LEAST_GAIN):
        chosen = set()
    return replace(plan, feedback=_names(sources, chosen))


def everywhere(graph: Graph, plan: BitPlan) -> BitPlan:
    """`plan` with error feedback of all activations that can have it."""
    sources = narrow_sources(graph, plan)
    return replace(plan, feedback=_names(sources, sources))


def narrow_sources(graph: Graph, plan: BitPlan) -> dict[str, list[str]]:
    """Activations of 8 bits by the tensor that they are elements of; copies of wide states have
    none."""
    wide = {name for name, bits in plan.states.items() if bits == WIDE_STATE_BITS}
    sources: dict[str, list[str]] = {}
    for name, bits in plan.activations.items():
        source = unmoved(graph, name)
        if bits == 8 and source not in wide:
            sources.setdefault(source, []).append(name)
    return sources


def _names(sources: Mapping[str, list[str]], chosen: Collection[str]) -> tuple[str, ...]:
    return tuple(name for source, names in sources.items() if source in chosen for name in names)


def _damage(
    rollouts: PlanRollouts, sources: Mapping[str, list[str]], chosen: Collection[str]
) -> float:
    fed = frozenset(_names(sources, chosen))
    return float(replace(rollouts, feedback=fed).damage_of({}, 1)[0])
