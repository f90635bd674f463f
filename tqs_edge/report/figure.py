"""A drawing or, where its data is missing, a sentence that says so, in one card of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """One card.

    id:   anchor on the page, "plot-..." for drawings
    note: one sentence on how to read it
    body: an <svg>, or None when the report lacks the data; then `absent` says what is missing
    """

    id: str
    title: str
    note: str
    body: str | None
    absent: str
    wide: bool = False

    def html(self) -> str:
        """The card."""
        content = self.body or f'<p class="absent">{escape(self.absent)}</p>'
        return (
            f'<section class="card{" wide" if self.wide else ""}">'
            f'<h2>{escape(self.title)}</h2><p class="note">{escape(self.note)}</p>'
            f'<figure id="{self.id}" aria-label="{escape(self.title)}">{content}</figure></section>'
        )


def finite(value: object) -> float | None:
    """The value as a float, or None when it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def positive(value: object) -> float | None:
    """The value as a float, or None when it is not finite and above zero."""
    found = finite(value)
    return found if found is not None and found > 0 else None


def site_bits(report: Report, site: str) -> int:
    """The width given to a site, a part of a planned block too; 0 when nothing says."""
    score, entry = report.get("tqs", {}).get(site, {}), report.get("plan", {}).get(site, {})
    return int(score.get("bits") or entry.get("weight_bits") or entry.get("act_bits") or 0)
