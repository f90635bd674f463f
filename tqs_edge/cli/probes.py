"""Which debug probe is meant: an option, or a question where somebody sits at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from tqs_edge.cli.console import show
from tqs_edge.flash.debugger import PickProbe

ProbeOption = Annotated[
    str | None, typer.Option("--probe", help="Serial number of the debug probe, or its beginning.")
]


def probe_picker() -> PickProbe | None:
    """A function that asks which probe is meant; None where nobody sits at the terminal."""
    if not sys.stdin.isatty():
        return None

    def pick(lines: Sequence[str]) -> int:
        for number, line in enumerate(lines, start=1):
            show(f"{number}: {line}")
        while True:
            answer = int(typer.prompt("Which probe", type=int))
            if 1 <= answer <= len(lines):
                return answer - 1

    return pick
