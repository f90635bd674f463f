"""Flash, RAM and stack of the firmware against what the board has."""

from __future__ import annotations

from tqs_edge.report.figure import Figure, Report, finite
from tqs_edge.report.svg import drawing, legend, line, rect, text

WIDTH, ROW, TOP = 540, 84, 52
LEFT, RIGHT = 14, 520
Part = tuple[str, str, float]  # class, name, bytes


def memory_figure(report: Report) -> Figure:
    """The figure plot-memory."""
    flash, ram = finite(report.get("flash_bytes")), finite(report.get("ram_bytes"))
    stack = finite(report.get("stack_bytes"))
    bars = [
        ("Flash", flash, finite(report.get("flash_limit")), _flash_parts(report, flash)),
        ("RAM", ram, finite(report.get("ram_limit")), _ram_parts(report, ram)),
        ("Stack, at its highest", stack, finite(report.get("ram_limit")), []),
    ]
    known = [bar for bar in bars if bar[1] is not None]
    return Figure(
        id="plot-memory",
        title="Memory on the board",
        note="What the model adds to a product, and the real part's limit at the end of each bar.",
        body=_draw(known) if known else None,
        absent="No firmware was linked, so its memory is not known.",
    )


def _flash_parts(report: Report, total: float | None) -> list[Part]:
    weights, code = finite(report.get("weight_bytes")), finite(report.get("code_bytes"))
    parts = [("bar-strong", "weights", weights), ("w2", "code", code)]
    return _with_rest([(c, n, v) for c, n, v in parts if v is not None], total)


def _ram_parts(report: Report, total: float | None) -> list[Part]:
    named = [
        ("arena", "arena", finite(report.get("arena_bytes"))),
        ("w4", "state", finite(report.get("state_bytes"))),
        ("w16", "stack", finite(report.get("stack_bytes"))),
    ]
    return _with_rest([(c, n, v) for c, n, v in named if v is not None], total)


def _with_rest(parts: list[Part], total: float | None) -> list[Part]:
    """The parts and what they leave of the total; none when they do not fit into it."""
    left = (total or 0) - sum(size for _, _, size in parts)
    if not parts or left < 0:
        return []
    return [*parts, ("w0", "other", left)] if left else parts


def _draw(bars: list[tuple[str, float | None, float | None, list[Part]]]) -> str:
    parts, described = [], []
    for index, (name, used, limit, pieces) in enumerate(bars):
        assert used is not None
        told = f"{used:,.0f} B" + (f" of {limit:,.0f} B ({used / limit:.1%})" if limit else "")
        described.append(f"{name} {told}")
        y = TOP + index * ROW
        parts.append(text(LEFT, y, name, class_="panel"))
        parts.append(text(RIGHT, y, told, anchor="end", class_="tick"))
        parts.append(_bar(used, limit, pieces, y + 8))
        if not limit:
            parts.append(text(LEFT, y + 42, "The board's limit is not in the report."))
    names = {
        n: c for _, used, limit, pieces in bars if not _over(used, limit) for c, n, _ in pieces
    }
    parts.append(legend([("box", c, n) for n, c in names.items()], LEFT, 14))
    return drawing(
        "".join(parts),
        width=WIDTH,
        height=TOP + len(bars) * ROW - 30,
        title="Flash, RAM and stack against the board's limits",
        description="; ".join(described),
    )


def _bar(used: float, limit: float | None, pieces: list[Part], y: float) -> str:
    whole = max(used, limit or used, 1)
    scale = (RIGHT - LEFT) / whole
    over = _over(used, limit)
    parts = [rect(LEFT, y, RIGHT - LEFT, 20, "track", radius=4)]
    if over or not pieces:
        class_ = "over" if over else "bar-strong"
        parts.append(rect(LEFT, y, max(used * scale, 2), 20, class_, radius=4))
    else:
        x = float(LEFT)
        for class_, name, size in pieces:
            parts.append(rect(x, y, size * scale, 20, class_, hint=f"{name}: {size:,.0f} B"))
            x += size * scale
    if limit:
        parts.append(line([(LEFT + limit * scale, y - 4), (LEFT + limit * scale, y + 24)], "limit"))
    return "".join(parts)


def _over(used: float | None, limit: float | None) -> bool:
    return used is not None and limit is not None and used > limit
