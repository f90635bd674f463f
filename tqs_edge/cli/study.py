"""bench plan: planned widths against baselines, as tables, records and a page of plots."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tqs_edge.artifacts import write_json, write_text
from tqs_edge.cli.console import err, show, stage, table, tell
from tqs_edge.cli.options import HorizonOption, JsonOption

if TYPE_CHECKING:
    from tqs_edge.bench.plans import Judgement
    from tqs_edge.bench.study import StudyPart
    from tqs_edge.bench.study_summary import StudySummary

PAGE, RECORDS, SUMMARY, PARTS = "study.html", "records.json", "summary.json", "parts"


ModelsOption = Annotated[
    list[str] | None, typer.Option("--model", help="zoo:NAME or a file; may be repeated. All zoo.")
]
StudyModelsOption = Annotated[
    list[str] | None,
    typer.Option("--model", help="zoo:NAME or a file; may be repeated. Seven of the zoo."),
]
BitsOption = Annotated[str, typer.Option("--bits", help="Average weight bits.")]
SeedsOption = Annotated[
    int, typer.Option("--seeds", min=1, help="How many; each draws its own probes and windows.")
]
MethodsOption = Annotated[
    list[str] | None,
    typer.Option("--method", help="uniform, hessian, tqs, ...; may be repeated. All."),
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Processes at once; as many as processors.")
]
OutputOption = Annotated[
    Path | None, typer.Option("-o", help="Directory for study.html (plots, tables) and JSON files.")
]


def plan(
    model: StudyModelsOption = None,
    bits: BitsOption = "3,4,5,6,8",
    seeds: SeedsOption = 3,
    method: MethodsOption = None,
    horizon: HorizonOption = None,
    jobs: JobsOption = None,
    output: OutputOption = None,
    json: JsonOption = None,
) -> None:
    """Rollout error of planned widths and of baselines at equal size, on windows not planned on.

    With -o an interrupted study continues from the parts that were finished.
    """
    from tqs_edge.bench.study import run_study, study_requests
    from tqs_edge.bench.study_page import render_study
    from tqs_edge.bench.study_summary import summarise

    requests = study_requests(
        sources_or_study(model),
        seeds=seeds,
        averages=_numbers(bits),
        methods=method or (),
        horizon=horizon,
    )
    count = len(requests)
    done: list[str] = []
    with stage(f"models x seeds: {count}") as advance:

        def finished(part: StudyPart) -> None:
            done.append(part.request.source)
            advance(len(done), count)
            if not err.is_terminal:
                where = f"{part.request.source} seed {part.request.seed}"
                err.print(f"{where}: {len(done)} of {count}", markup=False)

        parts = run_study(
            requests,
            jobs=jobs or os.cpu_count() or 1,
            folder=output / PARTS if output else None,
            finished=finished,
        )
    summary = summarise(parts)
    judgements = [j for part in parts for j in part.judgements]
    records = [asdict(j) for j in judgements]
    if json is not None:
        write_json(json, records)
    else:
        _show_means(judgements)
        _show_versus(summary)
    _show_goals(summary)
    if output is not None:
        write_json(output / RECORDS, records)
        write_json(output / SUMMARY, asdict(summary))
        write_text(output / PAGE, render_study(parts, summary))
        show(f"Written: {output} (open {output / PAGE})")


def sources_or_zoo(models: Sequence[str] | None) -> Sequence[str]:
    """The models named, or the whole zoo."""
    from tqs_edge.zoo import MODELS

    return models or [f"zoo:{name}" for name in MODELS]


def sources_or_study(models: Sequence[str] | None) -> Sequence[str]:
    """The models named, or those of the zoo that the planning methods are compared on."""
    from tqs_edge.zoo import STUDY_MODELS

    return models or [f"zoo:{name}" for name in STUDY_MODELS]


def _numbers(text: str) -> tuple[float, ...]:
    from tqs_edge.errors import InputError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--bits '{text}' is not a list of numbers; write 3,4,5") from None


def _show_means(judgements: Sequence[Judgement]) -> None:
    from tqs_edge.bench.study_tables import mean_rows

    for title, valid_horizon in (
        ("nRMSE of the integer rollouts, windows not planned on, geometric mean over seeds", False),
        ("Valid horizon in steps, mean over seeds", True),
    ):
        rows = mean_rows(judgements, valid_horizon=valid_horizon)
        names = list(rows[0].values)
        shown = table(title, "model", "bits", *names)
        for row in rows:
            values = (f"{v:.0f}" if valid_horizon else f"{v:.3g}" for v in row.values.values())
            shown.add_row(row.model, f"{row.avg_bits:g}", *values)
        show(shown)
        show("")


def _show_versus(summary: StudySummary) -> None:
    if summary.versus:
        rows = table(
            "Cells (model, budget, seed) that tqs wins, ties and loses; its error over the other's",
            *("against", "wins", "ties", "losses", "mean ratio", "worst ratio", "itself/uniform"),
        )
        for v in summary.versus:
            itself = "-" if v.to_uniform is None else f"{v.to_uniform:.3g}"
            counts = (str(v.wins), str(v.ties), str(v.losses))
            rows.add_row(v.method, *counts, f"{v.ratio:.3g}", f"{v.worst:.3g}", itself)
        show(rows)
        show("")
    rows = table(
        "TQS against the measured damage of every site and width",
        *("model", "Spearman", "least seed", "time / exact mode's"),
    )
    for a in summary.agreement:
        rows.add_row(a.model, f"{a.spearman:.3f}", f"{a.least:.3f}", f"{a.cost:.2g}")
    show(rows)
    show("")


def _show_goals(summary: StudySummary) -> None:
    for goal in summary.goals:
        verdict = "reached" if goal.reached else "NOT reached"
        tell(f"{verdict}: {goal.text}: {goal.found}")
