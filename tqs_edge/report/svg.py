"""Text of SVG elements, scales and axes: the same input gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

# Colours, fonts and line widths are classes of page.css, so that one drawing serves light and dark.
CHAR_WIDTH = 6.4  # of the 11.5 px sans-serif that page.css gives to chart text
Project = Callable[[float], float]


@dataclass(frozen=True)
class Axis:
    """A range of values, where it lies on the page, and the values to mark."""

    low: float
    high: float
    begin: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """The page coordinate of a value."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.begin + (value - low) / (high - low) * (self.end - self.begin)


def linear_axis(values: Sequence[float], begin: float, end: float, *, ticks: int = 5) -> Axis:
    """An axis whose ends are round numbers around all values."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 1, high + 1
    step = round_step((high - low) / ticks)
    first, last = math.floor(low / step), math.ceil(high / step)
    marks = tuple(k * step for k in range(first, last + 1))
    return Axis(marks[0], marks[-1], begin, end, marks)


def step_axis(steps: int, begin: float, end: float, *, ticks: int = 5) -> Axis:
    """An axis from step 0 to the last of `steps` steps, marked at round numbers."""
    last = max(steps - 1, 1)
    stride = max(1, round(round_step(last / ticks)))
    return Axis(0, last, begin, end, tuple(map(float, range(0, last + 1, stride))))


def log_axis(values: Sequence[float], begin: float, end: float, *, most: int = 7) -> Axis:
    """A logarithmic axis from one power of ten to another around all (positive) values."""
    low = math.floor(math.log10(min(values)))
    high = max(math.ceil(math.log10(max(values))), low + 1)
    stride = -(-(high - low + 1) // most)
    marks = tuple(10.0**k for k in range(low, high + 1, stride))
    return Axis(10.0**low, 10.0**high, begin, end, marks, logarithmic=True)


def round_step(step: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * 0.999999)


def number(value: float) -> str:
    """A value for people: three significant digits, thousands set apart, no trailing zeros."""
    if value == 0:
        return "0"
    if 0.001 <= abs(value) < 10_000:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    prefix = "" if mantissa == "1" else f"{mantissa}·"
    return f"{prefix}10{superscript(int(exponent))}"


def superscript(value: int) -> str:
    """An integer in raised digits."""
    return str(value).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def element(tag: str, content: str | None = None, **attributes: object) -> str:
    """One SVG element; `class_` becomes class, other underscores hyphens, floats two decimals."""
    parts = [tag]
    for key, value in attributes.items():
        shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
        parts.append(f'{key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    head = " ".join(parts)
    return f"<{head}/>" if content is None else f"<{head}>{content}</{tag}>"


def text(x: float, y: float, content: str, *, anchor: str = "start", class_: str = "label") -> str:
    """A line of text; anchor is start, middle or end."""
    return element("text", escape(content), x=x, y=y, text_anchor=anchor, class_=class_)


def line(points: Sequence[tuple[float, float]], class_: str) -> str:
    """An open polyline."""
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=joined, class_=class_)


def rect(
    x: float, y: float, width: float, height: float, class_: str, *, hint: str = "", radius: int = 2
) -> str:
    """A rectangle; the hint shows when the pointer rests on it."""
    inside = element("title", escape(hint)) if hint else None
    return element("rect", inside, x=x, y=y, width=width, height=height, rx=radius, class_=class_)


def x_axis(axis: Axis, top: float, bottom: float, label: str) -> str:
    """Vertical grid lines with values below and the name of the axis under them."""
    parts = []
    for tick in axis.ticks:
        parts.append(line([(axis(tick), top), (axis(tick), bottom)], "grid"))
        parts.append(text(axis(tick), bottom + 16, number(tick), anchor="middle", class_="tick"))
    middle = (axis.begin + axis.end) / 2
    return "".join(parts) + text(middle, bottom + 34, label, anchor="middle", class_="axis")


def y_axis(axis: Axis, left: float, right: float) -> str:
    """Horizontal grid lines with values on the left."""
    parts = []
    for tick in axis.ticks:
        parts.append(line([(left, axis(tick)), (right, axis(tick))], "grid"))
        parts.append(text(left - 8, axis(tick) + 4, number(tick), anchor="end", class_="tick"))
    return "".join(parts)


def shorten(name: str, width: float) -> str:
    """The name, its middle left out where it would be wider than `width` pixels."""
    room = int(width / CHAR_WIDTH)
    if len(name) <= room:
        return name
    tail = (room - 1) * 2 // 3
    return f"{name[: room - 1 - tail]}…{name[-tail:]}"


def legend(entries: Sequence[tuple[str, str, str]], x: float, y: float) -> str:
    """A row of (mark, class, name); mark is "line" or "box"."""
    parts = []
    for mark, class_, name in entries:
        if mark == "line":
            parts.append(line([(x, y - 4), (x + 18, y - 4)], class_))
        else:
            parts.append(rect(x + 2, y - 10, 12, 12, class_))
        parts.append(text(x + 24, y, name))
        x += 24 + len(name) * CHAR_WIDTH + 20
    return "".join(parts)


def drawing(body: str, *, width: int, height: int, title: str, description: str) -> str:
    """A whole <svg> that scales with the page and is read out as title and description."""
    head = element("title", escape(title)) + element("desc", escape(description))
    return element("svg", head + body, viewBox=f"0 0 {width} {height}", role="img")
