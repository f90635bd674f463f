"""score and plan: what is sensitive, and which widths follow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tqs_edge.cli.console import show, stage, table
from tqs_edge.cli.options import (
    ActBitsOption,
    AvgBitsOption,
    BoardOption,
    ContextOption,
    ExogOption,
    FlashOption,
    FormOption,
    HorizonOption,
    InsnsOption,
    MethodOption,
    ModelArgument,
    RamOption,
    SeedOption,
    StateBitsOption,
    parse_bytes,
)

if TYPE_CHECKING:
    from tqs_edge.plan.planner import PlanResult

SHOWN_SITES = 20
PARETO_BITS = (2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0)


def score(
    model: ModelArgument,
    form: FormOption = None,
    horizon: HorizonOption = None,
    context: ContextOption = None,
    exog: ExogOption = None,
    exact: Annotated[bool, typer.Option(help="Also quantize every site at every width.")] = False,
    probes: Annotated[int, typer.Option(min=2, help="Random probes per site.")] = 16,
    seed: SeedOption = 0,
    output: Annotated[Path | None, typer.Option("-o", help="Where to save (tqs.json).")] = None,
) -> None:
    """TQS of every site: how the rollout amplifies a disturbance there."""
    from tqs_edge.artifacts import save
    from tqs_edge.pipeline.planning import score_sites
    from tqs_edge.pipeline.prepare import prepare

    with stage("load"):
        prepared = prepare(model, form=form, context=context, exog=exog, horizon=horizon)
    with stage("score") as advance:
        scores = score_sites(prepared, exact=exact, probes=probes, seed=seed, progress=advance)
    report = scores.report
    ranked = sorted(report.sites, key=lambda s: s.gain, reverse=True)
    rows = table(
        f"{model}: {len(ranked)} sites, horizon {report.horizon}, {report.contexts} contexts "
        f"({prepared.planning.origin})",
        *("site", "gain", "90 % interval", "rate per step"),
    )
    for s in ranked[:SHOWN_SITES]:
        rate = "-" if s.rate is None else f"{s.rate:+.4f}"
        rows.add_row(s.site.id, f"{s.gain:.3g}", f"{s.gain_low:.3g} .. {s.gain_high:.3g}", rate)
    show(rows)
    if len(ranked) > SHOWN_SITES:
        show(f"... and {len(ranked) - SHOWN_SITES} less sensitive sites; -o saves all")
    if report.saturated:
        show(
            f"Disturbances reach the size of the signal after {report.steps} steps; the averages "
            "stop there, and no quantizer can track the model for longer."
        )
    if scores.table is not None:
        show(f"Rank correlation of predicted with measured damage: {scores.table.spearman:.3f}")
    if output is not None:
        save(output, scores)


def plan(
    model: ModelArgument,
    board: BoardOption,
    flash: FlashOption = None,
    ram: RamOption = None,
    insns: InsnsOption = None,
    avg_bits: AvgBitsOption = None,
    act_bits: ActBitsOption = None,
    state_bits: StateBitsOption = None,
    method: MethodOption = "tqs",
    form: FormOption = None,
    horizon: HorizonOption = None,
    context: ContextOption = None,
    exog: ExogOption = None,
    scores: Annotated[Path | None, typer.Option(help="A file saved by `score -o`.")] = None,
    seed: SeedOption = 0,
    pareto: Annotated[bool, typer.Option(help="Error against flash over several plans.")] = False,
    output: Annotated[Path | None, typer.Option("-o", help="Where to save (plan.json).")] = None,
) -> None:
    """Spends the budget on bit-widths: the plan of least rollout error that fits."""
    from tqs_edge.artifacts import load, save
    from tqs_edge.firmware.board import load_board
    from tqs_edge.pipeline.planning import Scores, plan_widths, score_sites
    from tqs_edge.pipeline.prepare import prepare
    from tqs_edge.plan.budget import Budget

    target = load_board(board)
    budget = Budget(parse_bytes(flash, "--flash"), parse_bytes(ram, "--ram"), insns, avg_bits)
    saved = load(scores, Scores) if scores else None
    with stage("load"):
        prepared = prepare(model, form=form, context=context, exog=exog, horizon=horizon)
    with stage("score") as advance:
        known = saved or score_sites(prepared, exact=method == "exact", seed=seed, progress=advance)
    pins: dict[str, Any] = {"method": method, "act_bits": act_bits, "state_bits": state_bits}
    if pareto:
        fronts = [Budget(avg_bits=bits) for bits in PARETO_BITS]
        _show_pareto([plan_widths(prepared, known, target, b, **pins) for b in fronts])
    with stage("plan") as advance:
        result = plan_widths(prepared, known, target, budget, progress=advance, **pins)
    _show_plan(f"{model} on {board}", result)
    if output is not None:
        save(output, result.plan)


def _show_pareto(results: list[PlanResult]) -> None:
    rows = table("Pareto front (planning contexts)", "average bits", "flash", "insns", "nRMSE")
    for found in results:
        use = found.usage
        costs = f"{use['flash']:.0f}", f"{use['insns']:.0f}"
        rows.add_row(f"{use['avg_bits']:.2f}", *costs, f"{found.nrmse:.4f}")
    show(rows)


def _show_plan(title: str, result: PlanResult) -> None:
    rows = table(title, "weight", "rows", "bits")
    for path, blocks in result.plan.weights.items():
        for block in blocks:
            rows.add_row(path, f"{block.begin}..{block.end - 1}", str(block.bits))
    for name, bits in (*result.plan.activations.items(), *result.plan.states.items()):
        rows.add_row(name, "activation or state", str(bits))
    show(rows)
    uniform = "none fits" if result.uniform is None else f"{result.uniform**0.5:.4f}"
    show(
        f"nRMSE on the planning contexts {result.nrmse:.4f} (best uniform plan: {uniform}); "
        f"estimated flash {result.usage['flash']:.0f} B, RAM {result.usage['ram']:.0f} B, "
        f"{result.usage['insns']:.0f} instructions per step, "
        f"{result.usage['avg_bits']:.2f} bits per weight"
    )
