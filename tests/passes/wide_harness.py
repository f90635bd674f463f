"""Runs one integer operation on chosen 32-bit numbers in all executors.

A package's x and y have 16 bits. So x holds the halves of 32-bit numbers, a sum joins them, and two
sums take the operation's 32-bit result apart again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.codegen.c_package import CPackage
from tqs_edge.codegen.emit import emit
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.program import (
    AffineOp,
    ConcatOp,
    IntegerOp,
    IntegerProgram,
    QTensor,
    SliceOp,
)
from tqs_edge.passes.host_executor import run_llvm
from tqs_edge.passes.lower import lower_program
from tqs_edge.passes.quantize_sites import integer_module
from tqs_edge.verify.reference import run_reference, run_step

LOWEST = {16: -(1 << 15), 32: -(1 << 31)}


@dataclass(frozen=True, eq=False)
class Case:
    """Operations from the 32-bit tensor `v` and the 16-bit tensor `u`, (1, n) each, to `y`."""

    program: IntegerProgram
    model: RolloutModel
    width: int


def make_case(ops: tuple[IntegerOp, ...], width: int, *tensors: QTensor) -> Case:
    """tensors: those of the ops but v and u; the one called "w" is the result, 16 or 32 bits."""
    n = width
    known = {t.name: t for t in tensors}
    own = [QTensor(name, (1, n), 16, 1.0) for name in ("high", "low", "u", "top", "rest")]
    own += [QTensor("x", (1, 3 * n), 16, 1.0), QTensor("y", (1, 3 * n), 16, 1.0)]
    known |= {t.name: t for t in (*own, QTensor("v", (1, n), 32, 1.0))}
    before = (
        SliceOp("high", "x", -1, 0, n),
        SliceOp("low", "x", -1, n, 2 * n),
        SliceOp("u", "x", -1, 2 * n, 3 * n),
        AffineOp("v", ("high", "low"), (1 << 16, 1), 0, 0, 0, LOWEST[32]),
    )
    after: tuple[IntegerOp, ...] = (ConcatOp("y", ("w", "high", "u"), -1),)
    if known["w"].bits == 32:
        after = (
            AffineOp("top", ("w",), (1,), 0, 0, 16, LOWEST[16]),
            AffineOp("rest", ("w", "top"), (1, -(1 << 16)), 0, -(1 << 15), 0, LOWEST[16]),
            ConcatOp("y", ("top", "rest", "u"), -1),
        )
    program = IntegerProgram("x", None, "y", (), known, {}, (*before, *ops, *after))
    graph = Graph("x", None, (), "y", (), {}, {})
    model = RolloutModel("wide", "test", graph, RolloutForm.MAP, 1, 3 * n, 1, 0, 1)
    return Case(program, model, n)


def numbers(width: int, rows: int) -> np.ndarray:
    """(rows, 1, 3 * width) int16: random and extreme 32-bit numbers in halves, 16-bit ones."""
    rng = np.random.default_rng(0)
    shape = rows, 1, width
    high = rng.integers(-(1 << 15), 1 << 15, shape) >> rng.integers(0, 16, shape)
    low = rng.integers(-(1 << 15), 1 << 15, shape)
    u = rng.integers(-(1 << 15), 1 << 15, shape)
    edges = np.array([-(1 << 15), -(1 << 15) + 1, -1, 0, 1, (1 << 15) - 1])
    for part in (high, low, u):
        chosen = rng.random(shape) < 0.3
        part[chosen] = rng.choice(edges, chosen.sum())
    return np.concatenate([high, low, u], axis=-1).astype(np.int16)


def assert_executors_agree(case: Case, folder: Path, *, rows: int = 40, horizon: int = 3) -> None:
    """NumPy reference == TVM's LLVM == emitted C under UBSan."""
    x = numbers(case.width, rows)
    want = run_reference(case.program, case.model, x, horizon).frames
    module = integer_module(case.program)
    got = run_llvm(module, case.program, case.model, x, horizon=horizon)
    np.testing.assert_array_equal(got, want)
    bundle = emit(lower_program(case.program), case.program, case.model, "0123abcd")
    package = CPackage(bundle, case.model, folder)
    for context, frames in zip(x, want, strict=True):
        np.testing.assert_array_equal(package.rollout(context, horizon), frames)


def exact_values(case: Case) -> dict[str, np.ndarray]:
    """v, u and w of the reference, int64 (rows, n)."""
    x = numbers(case.width, 400)
    program = replace(case.program)
    values = run_step(program, {"x": x}, dict.fromkeys(program.tensors, 0))
    return {name: values[name][:, 0] for name in ("v", "u", "w")}
