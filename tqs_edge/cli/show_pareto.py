"""The Pareto front for a person, as flat records, and as a drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tqs_edge.artifacts import write_json
from tqs_edge.cli.console import show, table, tell
from tqs_edge.plan.pareto import ParetoFront, ParetoPoint
from tqs_edge.report.plot_pareto import NAMES, pareto_figure
from tqs_edge.report.standalone import write_plot


def show_pareto(title: str, front: ParetoFront) -> None:
    """Prints the front and the uniform plans, by what they take of the front's resource."""
    headers = ("plan", "avg bits", "flash B", "RAM B", "insns/step", "nRMSE")
    rows = table(f"{title}: rollout error against {NAMES[front.resource]}", *headers)
    shown = [(point, "front") for point in front.points]
    shown += [(point, "uniform") for point in front.uniform]
    shown.sort(key=lambda pair: (pair[0].usage[front.resource], pair[1]))
    for point, kind in shown:
        use = point.usage
        rows.add_row(
            point.label if kind == "front" else f"uniform {point.label}",
            f"{use['avg_bits']:.2f}",
            *(f"{use[name]:,.0f}" for name in ("flash", "ram", "insns")),
            f"{point.nrmse:.4f}",
        )
    show(rows)
    tell(
        "nRMSE on the windows planned with; each plan of the front errs less than all that take "
        "less. Flash, RAM and instructions are estimates until `compile`."
    )


def write_pareto(path: Path, model: str, board: str, front: ParetoFront) -> None:
    """Writes a flat record of every plan as JSON."""
    points = [(point, True) for point in front.points]
    points += [(point, False) for point in front.uniform]
    write_json(path, [_record(model, board, front.resource, *point) for point in points])


def plot_pareto(path: Path, title: str, front: ParetoFront) -> None:
    """Draws the front."""
    write_plot(path, title, [pareto_figure(front)])


def _record(
    model: str, board: str, resource: str, point: ParetoPoint, planned: bool
) -> dict[str, Any]:
    use = point.usage
    return {
        "model": model,
        "board": board,
        "resource": resource,
        "plan": point.label,
        "on_front": planned,
        "limit": point.limit,
        "flash_bytes": round(use["flash"]),
        "ram_bytes": round(use["ram"]),
        "instructions_per_step": round(use["insns"]),
        "average_bits": use["avg_bits"],
        "predicted": point.predicted,
        "nrmse": point.nrmse,
    }
