"""score and plan: what is sensitive, and which widths follow."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tqs_edge.backends.choose import BackendName, fallback_backend
from tqs_edge.cli.console import stage
from tqs_edge.cli.options import (
    ActBitsOption,
    AvgBitsOption,
    BackendOption,
    BlockRowsOption,
    BoardOption,
    ContextOption,
    DeviceOption,
    ExogOption,
    FlashOption,
    FormOption,
    HorizonOption,
    InsnsOption,
    JsonOption,
    MethodOption,
    ModelArgument,
    PinOption,
    PlotOption,
    RamOption,
    SeedOption,
    StateBitsOption,
    StreamOption,
    ToleranceOption,
    WeightBitsOption,
    parse_budget,
)
from tqs_edge.errors import ImportMismatch, InputError, UnsupportedOp
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.sensitivity.sites import BLOCK_ROWS, list_sites

if TYPE_CHECKING:
    from tqs_edge.firmware.board import Board
    from tqs_edge.pipeline.black_box import PreparedBlackBox
    from tqs_edge.pipeline.planning import Scores
    from tqs_edge.pipeline.prepare import Prepared
    from tqs_edge.plan.budget import Budget
    from tqs_edge.sensitivity.residual import HasConstants


def score(
    model: ModelArgument,
    form: FormOption = None,
    horizon: HorizonOption = None,
    context: ContextOption = None,
    exog: ExogOption = None,
    stream: StreamOption = True,
    tolerance: ToleranceOption = 0.05,
    every_site: Annotated[bool, typer.Option("--all", help="One row for each site.")] = False,
    exact: Annotated[bool, typer.Option(help="Also quantize every site at every width.")] = False,
    probes: Annotated[int, typer.Option(min=2, help="Random probes per site.")] = 4,
    block_rows: BlockRowsOption = BLOCK_ROWS,
    backend: BackendOption = None,
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    plot: PlotOption = None,
    output: Annotated[Path | None, typer.Option("-o", help="Where to save (tqs.json).")] = None,
) -> None:
    """How many bits every site needs, from how the rollout amplifies a disturbance there (TQS)."""
    from tqs_edge.artifacts import save
    from tqs_edge.cli.show_score import show_score
    from tqs_edge.report.plot_needs import needs_card, needs_figure
    from tqs_edge.report.standalone import check_plot_path, write_plot
    from tqs_edge.sensitivity.needs import check_tolerance, equal_share, site_needs

    check_plot_path(plot)
    check_tolerance(tolerance)
    given: dict[str, Any] = {"form": form, "context": context, "exog": exog, "horizon": horizon}
    probing: dict[str, Any] = {"probes": probes, "block_rows": block_rows, "seed": seed}
    prepared, scores, limit = _score(
        model, backend, device, given, probing, exact=exact, stream=stream
    )
    needs = site_needs(scores.report, _weights(prepared), prepared.ranges, tolerance)
    rows = show_score(
        model,
        scores,
        needs,
        origin=prepared.planning.origin,
        limit=limit,
        tolerance=tolerance,
        every=every_site,
    )
    if output is not None:
        save(output, scores)
    if plot is not None:
        share = equal_share(tolerance, len(scores.report.sites))
        write_plot(
            plot,
            f"The bits that {model} needs for a rollout error of {100 * tolerance:g} % in all",
            [needs_figure(rows, share)],
            lead=limit,
            tables=[needs_card(rows)],
        )


def _score(
    model: str,
    backend: BackendName | None,
    device: str,
    given: dict[str, Any],
    probing: dict[str, Any],
    *,
    exact: bool,
    stream: bool,
) -> tuple[Prepared | PreparedBlackBox, Scores, str]:
    """Scores by the back end asked for; by default the graph, or a black box if there is none."""
    fallback = fallback_backend(model) if backend is None else None
    if backend not in (None, BackendName.GRAPH):
        return _score_black_box(model, backend, device, given, probing, exact=exact)
    try:
        return _score_graph(model, given | {"stream": stream}, probing, exact=exact)
    except (InputError, UnsupportedOp, ImportMismatch) as obstacle:
        if fallback is None or exact:  # what is wrong with the contexts is told by both
            raise
        why = f"Scored as a black box, since it does not compile: {obstacle}."
    prepared, scores, limit = _score_black_box(model, fallback, device, given, probing, exact=exact)
    return prepared, scores, f"{why} {limit}"


def _score_graph(
    model: str, given: dict[str, Any], probing: dict[str, Any], *, exact: bool
) -> tuple[Prepared, Scores, str]:
    from tqs_edge.pipeline.planning import score_sites
    from tqs_edge.pipeline.predictability import predictability_of
    from tqs_edge.pipeline.prepare import prepare

    with stage("load"):
        prepared = prepare(model, **given)
    with stage("score") as advance:
        scores = score_sites(prepared, exact=exact, progress=advance, **probing)
    with stage("predictability"):
        return prepared, scores, predictability_of(prepared).words()


def _score_black_box(
    model: str,
    backend: BackendName,
    device: str,
    given: dict[str, Any],
    probing: dict[str, Any],
    *,
    exact: bool,
) -> tuple[PreparedBlackBox, Scores, str]:
    from tqs_edge.pipeline.black_box import prepare_black_box, score_black_box

    if exact:
        raise InputError(f"--exact needs the compiler's graph; drop it or --backend {backend}")
    with stage("load"):
        prepared = prepare_black_box(model, backend, device=device, **given)
    with stage("score") as advance:
        scores = score_black_box(prepared, progress=advance, **probing)
    return prepared, scores, f"Predictability not computed: a {backend} model does not show it."


def _weights(prepared: Prepared | PreparedBlackBox) -> HasConstants:
    """What holds the weight matrices by path."""
    model = prepared.model
    return model.graph if isinstance(model, RolloutModel) else model


class Resource(StrEnum):
    """What a Pareto front may run over, by its option."""

    FLASH = "flash"
    INSNS = "insns"
    AVG_BITS = "avg-bits"


def plan(
    model: ModelArgument,
    board: BoardOption,
    flash: FlashOption = None,
    ram: RamOption = None,
    insns: InsnsOption = None,
    avg_bits: AvgBitsOption = None,
    weight_bits: WeightBitsOption = None,
    act_bits: ActBitsOption = None,
    state_bits: StateBitsOption = None,
    pin: PinOption = None,
    method: MethodOption = "tqs",
    form: FormOption = None,
    horizon: HorizonOption = None,
    context: ContextOption = None,
    exog: ExogOption = None,
    stream: StreamOption = True,
    scores: Annotated[Path | None, typer.Option(help="A file saved by `score -o`.")] = None,
    block_rows: BlockRowsOption = BLOCK_ROWS,
    seed: SeedOption = 0,
    pareto: Annotated[
        Resource | None,
        typer.Option(help="Many plans instead of one: rollout error against this resource."),
    ] = None,
    plot: PlotOption = None,
    json: JsonOption = None,
    output: Annotated[Path | None, typer.Option("-o", help="Where to save (plan.json).")] = None,
) -> None:
    """Spends the budget on bit-widths: the plan of least rollout error that fits."""
    from tqs_edge.artifacts import load
    from tqs_edge.firmware.board import load_board
    from tqs_edge.pipeline.planning import Scores, score_sites
    from tqs_edge.pipeline.prepare import prepare
    from tqs_edge.plan.pins import parse_pins, resolve_pins
    from tqs_edge.plan.problem import Decided
    from tqs_edge.report.standalone import check_plot_path

    check_plot_path(plot)
    _check_outputs(pareto, json, output)
    target, pins = load_board(board), parse_pins(pin or ())
    budget = parse_budget(flash, ram, insns, avg_bits)
    saved = load(scores, Scores) if scores else None
    with stage("load"):
        prepared = prepare(
            model, form=form, context=context, exog=exog, horizon=horizon, stream=stream
        )
    if saved is None:  # a wrong pin should not have to wait for the scores
        resolve_pins(list_sites(prepared.model.graph, block_rows), pins)
    exact = method == "exact"
    with stage("score") as advance:
        known = saved or score_sites(
            prepared, exact=exact, block_rows=block_rows, seed=seed, progress=advance
        )
    decided = {"method": method, "decided": Decided(weight_bits, act_bits, state_bits, pins)}
    job = prepared, known, target, budget
    if pareto is None:
        _one_plan(f"{model} on {board}", job, decided, output, plot)
    else:
        _front(model, job, pareto, decided, json, plot)


def _check_outputs(pareto: Resource | None, json: Path | None, output: Path | None) -> None:
    if pareto is None and json is not None:
        raise InputError("--json writes a front; add --pareto flash, or save one plan with -o")
    if pareto is not None and output is not None:
        raise InputError("-o saves one plan and a front has many; give --json or drop --pareto")


def _one_plan(
    title: str,
    job: tuple[Prepared, Scores, Board, Budget],
    decided: dict[str, Any],
    output: Path | None,
    plot: Path | None,
) -> None:
    from tqs_edge.artifacts import save
    from tqs_edge.cli.show_plan import plan_entries, show_plan
    from tqs_edge.pipeline.planning import DEFAULT_AVG_BITS, plan_widths
    from tqs_edge.report.plot_bits import bits_figure
    from tqs_edge.report.standalone import write_plot

    prepared, scores, _, budget = job
    with stage("plan") as advance:
        result = plan_widths(*job, progress=advance, **decided)
    limits = budget.limits() or {"avg_bits": DEFAULT_AVG_BITS}
    show_plan(title, prepared, scores, result, limits)
    if output is not None:
        save(output, result.plan)
    if plot is not None:
        figures = [bits_figure({"plan": plan_entries(result.plan)})]
        write_plot(plot, f"Widths for {title}", figures)


def _front(
    model: str,
    job: tuple[Prepared, Scores, Board, Budget],
    pareto: Resource,
    decided: dict[str, Any],
    json: Path | None,
    plot: Path | None,
) -> None:
    from tqs_edge.cli.show_pareto import plot_pareto, show_pareto, write_pareto
    from tqs_edge.pipeline.planning import pareto_widths

    with stage("plan") as advance:
        front = pareto_widths(*job, pareto.replace("-", "_"), progress=advance, **decided)
    title = f"{model} on {job[2].name}"
    if json is not None:
        write_pareto(json, model, job[2].name, front)
    if plot is not None:
        plot_pareto(plot, title, front)
    show_pareto(title, front)
