"""The bit plan: every weight tensor as a bar of row blocks, coloured by their width."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tqs_edge.report.figure import Figure, Report
from tqs_edge.report.svg import drawing, legend, rect, shorten, text

WIDTH, ROW, TOP = 1100, 34, 34
LEFT, RIGHT = 200, 1030
BLOCK = re.compile(r"^(?P<tensor>.*)\[(?P<begin>\d+):(?P<end>\d+)\]$")
Block = tuple[int, int, int, str]


def bits_figure(report: Report) -> Figure:
    """The figure plot-bits."""
    plan = report.get("plan", {})
    tensors, rest = weight_blocks(plan), other_sites(plan)
    return Figure(
        id="plot-bits",
        title="The bit plan",
        note="Rows of each weight tensor from left to right, and below them what is carried "
        "between the operations and between the steps. The stronger the colour, the wider.",
        body=_draw(tensors, rest) if tensors or rest else None,
        absent="This report holds no plan.",
        wide=True,
    )


def weight_blocks(plan: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Block]]:
    """Weight tensor -> its (first row, end row, bits, site) in order of rows."""
    tensors: dict[str, list[Block]] = {}
    for site, entry in plan.items():
        if not entry.get("weight_bits"):
            continue
        match = BLOCK.match(site)
        tensor = match["tensor"] if match else site
        begin, end = _rows(entry.get("rows"))
        if match:
            begin, end = int(match["begin"]), int(match["end"])
        tensors.setdefault(tensor, []).append((begin, end, int(entry["weight_bits"]), site))
    return {tensor: sorted(blocks) for tensor, blocks in sorted(tensors.items())}


def _rows(rows: Any) -> tuple[int, int]:
    """Begin and end from a pair or a count; one row when the report does not say."""
    if isinstance(rows, list | tuple) and len(rows) == 2:
        return int(rows[0]), int(rows[1])
    return (0, int(rows)) if isinstance(rows, int) and rows > 0 else (0, 1)


def other_sites(plan: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, int]]:
    """(site, bits) of the activations and states."""
    return sorted(
        (site, int(entry["act_bits"]))
        for site, entry in plan.items()
        if entry.get("act_bits") and not entry.get("weight_bits")
    )


def _draw(tensors: dict[str, list[Block]], rest: list[tuple[str, int]]) -> str:
    parts = []
    for index, (tensor, blocks) in enumerate(tensors.items()):
        parts.append(_tensor(tensor, blocks, TOP + index * ROW))
    top = TOP + len(tensors) * ROW + 10
    chips, bottom = _chips(rest, top)
    widths = {b for blocks in tensors.values() for _, _, b, _ in blocks} | {b for _, b in rest}
    parts.append(legend([("box", f"w{b}", f"{b} bits") for b in sorted(widths)], LEFT, 16))
    described = [
        f"{tensor}: " + ", ".join(f"rows {a} to {b - 1} {w} bits" for a, b, w, _ in blocks)
        for tensor, blocks in tensors.items()
    ]
    return drawing(
        "".join(parts) + chips,
        width=WIDTH,
        height=bottom + 6,
        title="Bits of each row block, activation and state",
        description="; ".join([*described, *(f"{site} {b} bits" for site, b in rest)]),
    )


def _tensor(tensor: str, blocks: list[Block], y: float) -> str:
    total = max(end for _, end, _, _ in blocks)
    scale = (RIGHT - LEFT) / total
    parts = [text(LEFT - 10, y + 18, shorten(tensor, LEFT - 14), anchor="end")]
    for begin, end, bits, site in blocks:
        x, width = LEFT + begin * scale, (end - begin) * scale
        hint = f"{site}: {bits} bits"
        parts.append(rect(x, y + 3, max(width - 1.5, 1.0), ROW - 10, f"w{bits}", hint=hint))
        if width > 20:
            parts.append(
                text(x + width / 2, y + 19, str(bits), anchor="middle", class_=f"on-w{bits}")
            )
    rows = f"{total} row{'s' if total > 1 else ''}"
    return "".join(parts) + text(RIGHT + 10, y + 18, rows, class_="muted")


def _chips(rest: list[tuple[str, int]], top: int) -> tuple[str, int]:
    """Activations and states in four columns, and the y coordinate below them."""
    columns, width = 4, (WIDTH - 20) / 4
    parts = []
    for index, (site, bits) in enumerate(rest):
        x, y = 10 + index % columns * width, top + index // columns * 26
        parts.append(rect(x, y, 26, 18, f"w{bits}", hint=f"{site}: {bits} bits"))
        parts.append(text(x + 13, y + 13, str(bits), anchor="middle", class_=f"on-w{bits}"))
        parts.append(text(x + 33, y + 13, shorten(site, width - 46)))
    return "".join(parts), top + -(-len(rest) // columns) * 26
