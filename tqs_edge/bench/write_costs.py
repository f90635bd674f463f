"""Measures all that the planner reckons with and writes it: kernel_costs.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqs_edge.bench.kernel_costs import BOARDS, Progress, measure_kernels
from tqs_edge.bench.step_costs import measure_step
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.kernel_table import cost_of


def write_costs(path: Path, *, compiler: str = "gcc", progress: Progress | None = None) -> None:
    """Costs of dense kernels and of everything else by class of cores, a kernel or a feature in a
    line. Raises ToolMissing without the compiler or a simulator of one of the cores."""
    dense = measure_kernels(compiler=compiler, progress=progress)
    texts = []
    for isa, name in BOARDS.items():
        board = load_board(name)
        kernels = {symbol: cost_of(cost) for symbol, cost in dense[isa].items()}
        step = measure_step(isa, board, find_toolchain(compiler, board.core), kernels)
        parts = [f'  "dense": {_lines(dense[isa])}', f'  "step": {_lines(step)}']
        texts.append(f" {json.dumps(isa)}: {{\n" + ",\n".join(parts) + "\n }")
    path.write_text("{\n" + ",\n".join(texts) + "\n}\n", encoding="utf-8", newline="\n")


def _lines(values: Mapping[str, Any]) -> str:
    lines = [f"   {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items()]
    return "{\n" + ",\n".join(lines) + "\n  }"
