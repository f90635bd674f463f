"""bench: numbers that others can check."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measurements; every number in the README comes from one of these.")
