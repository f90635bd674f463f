"""Data flows one way: a package imports only what stands before it."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "tqs_edge"
# "plan.bit_plan" and "integer.program" are pure data; the rows before them stay free of both.
ORDER = (
    ("errors",),
    ("artifacts", "kernel_table", "resources"),
    ("quant", "zoo"),
    ("graph",),
    ("frontend",),
    ("backends",),
    ("sensitivity",),
    ("plan",),
    ("integer",),
    ("passes",),
    ("codegen",),
    ("firmware",),
    ("flash",),
    ("run",),
    ("device",),
    ("verify",),
    ("report",),
    ("package",),
    ("pipeline",),
    ("api", "bench", "doctor"),
    ("cli",),
    ("__main__", "__init__"),
)
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}


def imported(tree: ast.AST) -> set[str]:
    """Top-level parts of tqs_edge that a module imports, wherever the import stands."""
    parts = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "absolute imports only"
            names = [node.module]  # of the bare package only __version__ is imported
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts |= {n.split(".")[1] for n in names if n.startswith("tqs_edge.")}
    return parts


def test_imports_point_left() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for other in sorted(imported(ast.parse(path.read_text()))):
            if other == part:
                continue
            if RANK[other] >= RANK[part]:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {other}")
    assert not wrong, wrong


def test_reference_is_independent_of_passes_and_code_generation() -> None:
    for path in (PACKAGE / "verify").glob("reference*.py"):
        parts = imported(ast.parse(path.read_text())) - {"verify"}
        assert parts <= {"quant", "graph", "integer"}, path.name
