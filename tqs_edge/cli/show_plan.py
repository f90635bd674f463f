"""A plan for a person: what was spent where, what it buys, which limit binds, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tqs_edge.cli.console import out, show, table, tell
from tqs_edge.plan.bit_plan import BitPlan, RowBlock
from tqs_edge.quant.pack import packed_bytes
from tqs_edge.report.words import percent, shorten_middle
from tqs_edge.sensitivity.needs import Need, site_needs
from tqs_edge.sensitivity.sites import WEIGHT_WIDTHS, SiteKind

if TYPE_CHECKING:
    from tqs_edge.pipeline.planning import Scores
    from tqs_edge.pipeline.prepare import Prepared
    from tqs_edge.plan.planner import PlanResult

REASONS = 3  # sites named on either side of the average
BINDING = 0.95  # part of a limit from which on it is what keeps the plan from more
NAMES = {
    "flash": ("flash", "B"),
    "ram": ("RAM", "B"),
    "insns": ("instructions", "per step"),
    "avg_bits": ("weights", "bits on average"),
}
SPENT = 58  # columns of the numbers beside a tensor's name


@dataclass(frozen=True)
class Spent:
    """Rows [begin, end) of a weight at `bits`: their bytes, and their error alone at each width."""

    path: str
    begin: int
    end: int
    bits: int
    depth: int
    errors: Mapping[int, float]

    @property
    def label(self) -> str:
        return f"{self.path}[{self.begin}:{self.end}]"

    def bytes_at(self, bits: int) -> int:
        """Packed weights of these rows at a width."""
        return packed_bytes(self.end - self.begin, self.depth, bits)


def show_plan(
    title: str,
    prepared: Prepared,
    scores: Scores,
    result: PlanResult,
    limits: Mapping[str, float],
) -> None:
    """Prints the plan; `limits` by resource as the planner had them."""
    blocks = spent_blocks(prepared, scores, result.plan)
    tell(f"{title}: rollout error {percent(result.nrmse)} of the signal (nRMSE {result.nrmse:.4f})")
    tell(_against_uniform(result))
    show("")
    _show_spent(blocks)
    tell(_others(result.plan))
    show("")
    _show_limits(result, limits)
    tell(_binding(result, limits))
    show("")
    for line in _reasons(blocks, result.usage["avg_bits"]):
        tell(line)


def plan_entries(plan: BitPlan) -> dict[str, dict[str, Any]]:
    """The plan as report.json holds it, without what needs a build."""
    entries: dict[str, dict[str, Any]] = {
        f"{path}[{block.begin}:{block.end}]": {
            "kind": "weight",
            "weight_bits": block.bits,
            "rows": [block.begin, block.end],
        }
        for path, blocks in plan.weights.items()
        for block in _merged(blocks)
    }
    for name, bits in plan.activations.items():
        entries[f"act:{name}"] = {"kind": "activation", "act_bits": bits}
    for name, bits in plan.states.items():
        entries[f"state:{name}"] = {"kind": "state", "act_bits": bits}
    return entries


def spent_blocks(prepared: Prepared, scores: Scores, plan: BitPlan) -> list[Spent]:
    """The row blocks of a plan, neighbours of one width merged."""
    needs = site_needs(scores.report, prepared.model.graph, prepared.ranges)
    found = []
    for path, blocks in plan.weights.items():
        depth = prepared.model.graph.constants[path].shape[1]
        for block in _merged(blocks):
            errors = _errors(needs, path, block)
            found.append(Spent(path, block.begin, block.end, block.bits, depth, errors))
    return found


def _merged(blocks: Sequence[RowBlock]) -> list[RowBlock]:
    merged: list[RowBlock] = []
    for block in blocks:
        if merged and merged[-1].bits == block.bits:
            merged[-1] = RowBlock(merged[-1].begin, block.end, block.bits)
        else:
            merged.append(block)
    return merged


def _errors(needs: Sequence[Need], path: str, block: RowBlock) -> dict[int, float]:
    """Predicted error of these rows alone by width."""
    inside = [
        need
        for need in needs
        if need.kind is SiteKind.WEIGHT
        and need.tensor == path
        and block.begin <= need.begin < block.end
    ]
    return {bits: sqrt(sum(need.errors[bits] ** 2 for need in inside)) for bits in WEIGHT_WIDTHS}


def _against_uniform(result: PlanResult) -> str:
    if result.uniform is None:
        return "No uniform plan fits these limits."
    uniform = sqrt(result.uniform)
    ratio = uniform / result.nrmse if result.nrmse > 0.0 else float("inf")
    shown = f"{ratio:.0f}" if ratio >= 9.95 else f"{ratio:.1f}"
    better = "no more than this plan" if shown == "1.0" else f"{shown}x as much as this plan"
    return f"The best uniform plan that fits errs by {percent(uniform)}: {better}."


def _show_spent(blocks: Sequence[Spent]) -> None:
    headers = ["weight", "bytes", *(f"{bits} bits" for bits in WEIGHT_WIDTHS), "average"]
    shown = table("", *headers)
    shown.title = None
    for column in shown.columns:
        column.no_wrap = True
    show("rows of each weight by width")
    for path in dict.fromkeys(block.path for block in blocks):
        _add_row(shown, shorten_middle(path, max(16, out.width - SPENT)), blocks, path)
    _add_row(shown, "all", blocks, None)
    show(shown)


def _add_row(shown: Any, label: str, blocks: Sequence[Spent], path: str | None) -> None:
    mine = [block for block in blocks if path in (None, block.path)]
    weights = sum((b.end - b.begin) * b.depth for b in mine)
    average = sum((b.end - b.begin) * b.depth * b.bits for b in mine) / weights
    rows = {w: sum(b.end - b.begin for b in mine if b.bits == w) for w in WEIGHT_WIDTHS}
    cells = [Text(str(count) if count else "-") for count in rows.values()]
    size = sum(block.bytes_at(block.bits) for block in mine)
    shown.add_row(label, f"{size:,}", *cells, f"{average:.2f}")


def _others(plan: BitPlan) -> str:
    """Widths of activations and states in one sentence."""
    parts = []
    for name, widths in (("activations", plan.activations), ("states", plan.states)):
        by_bits: dict[int, list[str]] = {}
        for tensor, bits in widths.items():
            by_bits.setdefault(bits, []).append(tensor)
        told = "; ".join(f"{bits} bits: {', '.join(t)}" for bits, t in sorted(by_bits.items()))
        if told:
            parts.append(f"{name} at {told}")
    return "; ".join(parts)


def _show_limits(result: PlanResult, limits: Mapping[str, float]) -> None:
    shown = table("", "resource", "used", "limit", "<")
    shown.title = None
    for name, (label, unit) in NAMES.items():
        limit = limits.get(name)
        used = result.usage[name]
        part = "" if limit is None else f"{100 * used / limit:.0f} % used"
        shown.add_row(
            f"{label} ({unit})",
            _amount(name, used),
            "-" if limit is None else _amount(name, limit),
            part,
        )
    show(shown)


def _amount(name: str, value: float) -> str:
    return f"{value:.2f}" if name == "avg_bits" else f"{value:,.0f}"


def _binding(result: PlanResult, limits: Mapping[str, float]) -> str:
    parts = {name: result.usage[name] / limit for name, limit in limits.items()}
    tight = [NAMES[name][0] for name, part in parts.items() if part >= BINDING]
    if tight:
        names = " and ".join("the average width" if n == "weights" else n for n in tight)
        return f"What binds: {names}. Flash, RAM and instructions are estimates until `compile`."
    return (
        "No limit is used up: wider weights bring nothing more, or the next step would go over. "
        "Flash, RAM and instructions are estimates until `compile`."
    )


def _reasons(blocks: Sequence[Spent], average: float) -> list[str]:
    """The rows with the most reason to be wider, and narrower, than the average."""
    lines = []
    wide = [block for block in blocks if block.bits > average and block.bits > WEIGHT_WIDTHS[0]]
    wide.sort(key=lambda block: -block.errors[_next(block.bits, -1)])
    for block in wide[:REASONS]:
        less = _next(block.bits, -1)
        lines.append(
            f"More: {block.label} got {block.bits} bits; at {less} its error alone would be "
            f"{percent(block.errors[less])} of the signal."
        )
    narrow = [block for block in blocks if block.bits < average and block.bits < WEIGHT_WIDTHS[-1]]
    narrow.sort(key=lambda block: -(block.end - block.begin) * block.depth)
    for block in narrow[:REASONS]:
        more = _next(block.bits, 1)
        saved = block.bytes_at(more) - block.bytes_at(block.bits)
        if not saved:  # a row of few numbers fills a byte at either width
            continue
        lines.append(
            f"Less: {block.label} got {block.bits} bits; its error alone is "
            f"{percent(block.errors[block.bits])}, and {saved:,} B are saved against {more} bits."
        )
    return lines


def _next(bits: int, by: int) -> int:
    return WEIGHT_WIDTHS[WEIGHT_WIDTHS.index(bits) + by]
