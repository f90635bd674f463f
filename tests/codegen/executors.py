"""One integer step by the reference, by TVM's LLVM and as emitted C."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np
import tvm

from tests.codegen.c_package import CPackage
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.program import AffineOp, IntegerOp, IntegerProgram, QTensor
from tqs_edge.passes.host_executor import compile_step
from tqs_edge.passes.lower import lower_program
from tqs_edge.passes.quantize_sites import integer_module
from tqs_edge.verify.reference import run_step


def program_of(
    shape: tuple[int, ...],
    bits: int,
    tensors: dict[str, tuple[int, ...]],
    *ops: IntegerOp,
    constants: dict[str, np.ndarray] | None = None,
) -> IntegerProgram:
    """A program of `ops` that make `tensors` of `bits` bits, of which the last is read as y.

    It reads "x", (shape) of 16 bits, as "v" at `bits` bits; all scales are 1.
    """
    constants = constants or {}
    shapes = {"v": shape, **{n: c.shape for n, c in constants.items()}, **tensors}
    last = list(shapes)[-1]
    table = {name: QTensor(name, own, bits, 1.0) for name, own in shapes.items()}
    table |= {"x": QTensor("x", shape, 16, 1.0), "y": QTensor("y", shapes[last], 16, 1.0)}
    sequence = (rescaled("v", "x", bits), *ops, rescaled("y", last, 16))
    return IntegerProgram("x", None, "y", (), table, constants, sequence)


def rescaled(output: str, source: str, bits: int) -> AffineOp:
    """A copy of `source` at `bits` bits, saturated."""
    return AffineOp(output, (source,), (1 << 30,), 2, 1 << 31, 32, -(1 << (bits - 1)))


def emitted(program: IntegerProgram) -> SourceBundle:
    """The C package of a program that no float module stands beside."""
    return emit(lower_program(program), program, model_of(program), "0123abcd")


def check_executors_agree(program: IntegerProgram, x: np.ndarray, folder: Path) -> np.ndarray:
    """y (N, ...) of the integer inputs x (N, ...), the same by all three executors."""
    counts = dict.fromkeys(program.tensors, 0)
    want = run_step(program, {program.input: x}, counts)[program.output]
    step = compile_step(integer_module(program))
    package = CPackage(emitted(program), model_of(program), folder)
    for given, y in zip(x.astype(np.int16), want, strict=True):
        np.testing.assert_array_equal(step(tvm.runtime.tensor(given))[0].numpy(), y)
        np.testing.assert_array_equal(package.step(given, None).reshape(y.shape), y)
    return want


def integers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Inputs (5, shape): all least, all most, uniform over 16 bits twice, and small ones."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(-(1 << 15), 1 << 15, (2, *shape))
    small = rng.integers(-99, 99, (1, *shape))
    limits = [np.full((1, *shape), value) for value in (-(1 << 15), (1 << 15) - 1)]
    return np.concatenate([*limits, wide, small])


def model_of(program: IntegerProgram) -> RolloutModel:
    """What the emitter names in the header: one output row of all elements."""
    x, y = (prod(program.tensors[name].shape) for name in (program.input, program.output))
    graph = Graph("x", None, (), "y", (), {}, {"x": (1, x), "y": (1, y)})
    return RolloutModel("step", "test", graph, RolloutForm.MAP, 1, y, 1, 0, 1)
