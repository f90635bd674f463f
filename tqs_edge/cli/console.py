"""Where and how the command line speaks: progress on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tqs_edge.artifacts import write_json

Advance = Callable[[int, int], None]  # (done, total)

PIPE_WIDTH = 160  # columns of a table that no terminal limits

out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def stage(title: str) -> Iterator[Advance]:
    """Shows that `title` is under way; the returned callable reports (done, total).

    A bar on a terminal, one closing line with the time taken in a pipe. Progress goes to stderr,
    so stdout stays for results.
    """
    start = time.perf_counter()
    if err.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err) as progress:
            task = progress.add_task(title, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
            progress.update(task, completed=1, total=1)
        return
    yield lambda done, total: None
    print(f"{title}: {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)


def table(title: str, *headers: str) -> Table:
    """A table; the first column and those whose header starts with "<" are left-aligned."""
    result = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, header in enumerate(headers):
        left = index == 0 or header.startswith("<")
        result.add_column(header.removeprefix("<"), justify="left" if left else "right")
    return result


def show(item: object) -> None:
    """Prints a line or a table on stdout."""
    if isinstance(item, str):
        out.print(item, markup=False, soft_wrap=True)
        return
    if isinstance(item, Table) and item.title:  # rich would wrap it at the table's width
        out.print(str(item.title), markup=False, soft_wrap=True)
        item.title = None
    out.print(item)


def show_or_write(rows: Table, records: list[dict[str, object]], json: Path | None) -> None:
    """Prints the table, or writes the flat records to the file `json`."""
    if json is None:
        show(rows)
    else:
        write_json(json, records)


def tell(text: str) -> None:
    """Prints a paragraph on stdout: wrapped between words on a terminal, one line in a pipe."""
    out.print(text, markup=False, soft_wrap=not out.is_terminal)


def complain(text: str) -> None:
    """Prints one error line on stderr."""
    err.print("error: " + " ".join(text.split()), markup=False, soft_wrap=True)
