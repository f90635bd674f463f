"""Which 8-bit activations have a zero point, so that their range is used whole.

Numbers that lie about 0 waste a bit on a rectifier's output. Between the least and the largest
value, 0.0 among them exactly, the same 8 bits are up to twice as fine; the offset is folded into
the biases of the dense layers that read them and costs nothing. Rollouts decide, as they do on
error feedback: rounding errors that happen to make up for each other are not given up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tqs_edge.graph.graph import Op
from tqs_edge.graph.rollout import rollout
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.feedback import LEAST_GAIN, narrow_sources
from tqs_edge.plan.plan_rollouts import plan_rollouts
from tqs_edge.sensitivity.batch import CleanRollouts
from tqs_edge.sensitivity.fake_quant import Span

if TYPE_CHECKING:
    import torch

LOPSIDED = 0.8  # of the range about 0: a span must be less for a copy to be worth more than a shift
TABLES = (Op.TANH, Op.SIGMOID)  # written at 8 bits at a scale of their own

Feed = Callable[[BitPlan], BitPlan]


def with_zero_points(
    model: RolloutModel,
    plan: BitPlan,
    ranges: Mapping[str, float],
    clean: CleanRollouts,
    feed: Feed = lambda plan: plan,
) -> BitPlan:
    """`plan` with the spans of those 8-bit activations whose rollouts from `clean` err less by it.

    All or none, whichever is better; then each alone is changed where that pays. Weights stay float
    meanwhile. feed: gives a plan its error feedback.
    """

    def damage(candidate: BitPlan) -> float:
        return float(plan_rollouts(model, candidate, ranges, clean).damage_of({}, 1)[0])

    best = feed(replace(plan, spans={}))
    spans = observed_spans(model, plan, ranges, clean)
    if not spans:
        return best
    least = damage(best)
    every = feed(replace(plan, spans=spans))
    if (error := damage(every)) < least:
        best, least = every, error
    for names in narrow_sources(model.graph, plan).values():
        chosen = {name: spans[name] for name in names if name in spans}
        if not chosen:
            continue
        others = {name: span for name, span in best.spans.items() if name not in chosen}
        changed = replace(best, spans=others if names[0] in best.spans else others | chosen)
        if (error := damage(changed)) < least * (1.0 - LEAST_GAIN):
            best, least = changed, error
    return best


def observed_spans(
    model: RolloutModel, plan: BitPlan, ranges: Mapping[str, float], clean: CleanRollouts
) -> dict[str, Span]:
    """Least and largest value in the clean rollouts of each 8-bit activation that could gain, 0.0
    among them; the larger end is what `ranges` has seen in any."""
    sources = {
        source: names
        for source, names in narrow_sources(model.graph, plan).items()
        if plan.states.get(source, 16) != 8 and not _is_table(model, source)
    }
    ends: dict[str, Span] = {}

    def on_step(_call: int, tensors: Mapping[str, torch.Tensor]) -> None:
        for source in sources:
            low, high = ends.get(source, (0.0, 0.0))
            value = tensors[source]
            ends[source] = min(low, float(value.min())), max(high, float(value.max()))

    weight = clean.constants.__getitem__
    rollout(
        clean.model, clean.contexts, clean.horizon, exog=clean.exog, weight=weight, on_step=on_step
    )
    spans: dict[str, Span] = {}
    for source, (low, high) in ends.items():
        low, high = (min(low, -ranges[source]), high) if -low > high else (low, ranges[source])
        if high - low < LOPSIDED * 2.0 * max(-low, high):
            spans |= dict.fromkeys(sources[source], (low, high))
    return spans


def _is_table(model: RolloutModel, source: str) -> bool:
    return any(node.name == source and node.op in TABLES for node in model.graph.nodes)
