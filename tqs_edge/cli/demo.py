"""demo: the main job on shipped real data, end to end, no options needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tqs_edge.cli.build import show_summary
from tqs_edge.cli.console import show, stage, table

MODEL, BOARD, AVERAGE_BITS = "zoo:ppg-gru", "mps2-an386", 5.0


def demo(
    output: Annotated[Path, typer.Option("-o", help="Directory to write.")] = Path("tqs-demo"),
) -> int:
    """Pulse-wave forecaster to verified integer firmware on every simulated core."""
    from tqs_edge.pipeline.job import CompileJob, compile_package
    from tqs_edge.plan.budget import Budget

    show(f"{MODEL}: a GRU that forecasts a measured pulse wave, fed with its own output.")
    job = CompileJob(
        source=MODEL,
        board=BOARD,
        output=output,
        budget=Budget(avg_bits=AVERAGE_BITS),
        act_bits=16,
        state_bits=16,
        all_cores=True,
    )
    report = compile_package(job, stage)
    _show_chain(report)
    show_summary(report)
    show(f"Written: {output} (open {output / 'report.html'})")
    return 0 if all(report["bit_exact"].values()) else 1


def _show_chain(report: dict[str, Any]) -> None:
    extent = f"{report['contexts']} rollouts x {report['horizon']} steps"
    rows = table(
        f"Integer reference against, over {extent}", "executor", "<bit-exact", "instructions/step"
    )
    counts = report["instructions_by_link"]
    for name, exact in report["bit_exact"].items():
        count = f"{counts[name]:,.0f}" if name in counts else ""
        rows.add_row(name, "yes" if exact else "NO", count)
    show(rows)
