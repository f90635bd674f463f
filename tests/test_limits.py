"""Files and functions stay small enough to read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    p
    for d in ("tqs_edge", "tests", "kernels", "targets")
    for s in ("*.py", "*.c", "*.h")
    for p in (ROOT / d).rglob(s)
    if "build" not in p.parts
)
MAX_FILE, MAX_FUNCTION, MAX_COLUMNS = 300, 60, 100


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_is_readable(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= MAX_FILE
    # Tables of numbers are generated, not read.
    assert all(len(line) <= MAX_COLUMNS for line in lines)
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < MAX_FUNCTION, node.name


def test_there_are_no_grab_bags() -> None:
    assert not [p for p in SOURCES if p.stem in {"utils", "helpers", "misc", "common"}]
