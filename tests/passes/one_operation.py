"""One integer operation on given integers: the reference, TVM's LLVM and emitted C must agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm

from tests.codegen.c_package import CPackage
from tqs_edge.codegen.emit import emit
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.build_nonlinear import build_nonlinear
from tqs_edge.integer.program import IntegerProgram, QTensor
from tqs_edge.passes.host_executor import compile_step
from tqs_edge.passes.lower import lower_program
from tqs_edge.passes.quantize_sites import integer_module
from tqs_edge.verify.reference import run_step

EDGES = (-32768, -32767, -1, 0, 1, 2, 3, 255, 256, 16384, 32766, 32767)


@dataclass(frozen=True)
class Shapes:
    """Of the operands (one or two) and the output."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    second: tuple[int, ...] | None = None


def program_of(
    op: Op, shapes: Shapes, scales: Sequence[float], y_scale: float, **attrs: object
) -> IntegerProgram:
    """The program y = op(x) or op(x, e) as build_nonlinear makes it."""
    tensors = {"x": QTensor("x", shapes.x, 16, scales[0]), "y": QTensor("y", shapes.y, 16, y_scale)}
    if shapes.second:
        tensors["e"] = QTensor("e", shapes.second, 16, scales[1])
    operands = ("x", "e") if shapes.second else ("x",)
    node = Node("y", op, operands, shapes.y, attrs)
    built = build_nonlinear(node, tuple(tensors[n] for n in operands), tensors["y"])
    tensors |= {t.name: t for t in built.tensors}
    exog = "e" if shapes.second else None
    return IntegerProgram("x", exog, "y", (), tensors, {}, tuple(built.ops))


def random_integers(shape: tuple[int, ...], count: int, seed: int) -> np.ndarray:
    """int16 (count, *shape): uniform, of every magnitude, at the edges, and constant."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(-32768, 32768, (count, *shape))
    kinds = rng.integers(0, 4, count)
    kinds[:4] = np.arange(4)[:count]
    small = wide >> rng.integers(0, 16, (count, *[1] * len(shape)))
    edges = rng.choice(EDGES, (count, *shape))
    flat = np.broadcast_to(
        edges.reshape(count, -1)[:, :1].reshape(-1, *[1] * len(shape)), wide.shape
    )
    return np.choose(kinds.reshape(-1, *[1] * len(shape)), [wide, small, edges, flat]).astype(
        np.int16
    )


def reference(program: IntegerProgram, *operands: np.ndarray) -> np.ndarray:
    """y (N, *shape) int16 of operands (N, *shape)."""
    names = [program.input, *([program.exog] if program.exog else [])]
    values = dict(zip(names, operands, strict=True))
    counts = dict.fromkeys(program.tensors, 0)
    return run_step(program, values, counts)["y"].astype(np.int16)


def by_llvm(program: IntegerProgram, *operands: np.ndarray) -> np.ndarray:
    """The same through TVM."""
    step = compile_step(integer_module(program))
    outputs = []
    for index in range(len(operands[0])):
        arrays = [tvm.runtime.tensor(np.ascontiguousarray(o[index])) for o in operands]
        outputs.append(step(*arrays)[0].numpy())
    return np.stack(outputs)


def by_c(program: IntegerProgram, folder: Path, *operands: np.ndarray) -> np.ndarray:
    """The same through the emitted package, under UBSan."""
    model = toy_model(program)
    bundle = emit(lower_program(program), program, model, "0123abcd")
    package = CPackage(bundle, model, folder)
    outputs = [
        package.step(x, operands[1][index] if len(operands) > 1 else None)
        for index, x in enumerate(operands[0])
    ]
    return np.stack(outputs).reshape(-1, *program.tensors["y"].shape)


def toy_model(program: IntegerProgram) -> RolloutModel:
    """A windowed model whose window is all of x and whose block is all of y."""
    x, y = (int(np.prod(program.tensors[n].shape)) for n in ("x", "y"))
    exog = int(np.prod(program.tensors["e"].shape)) if program.exog else 0
    graph = Graph("x", program.exog, (), "y", (), {}, {})
    return RolloutModel("op", "test", graph, RolloutForm.WINDOWED, x, 1, y, exog, x)


def assert_all_equal(program: IntegerProgram, folder: Path, *operands: np.ndarray) -> np.ndarray:
    """The reference's output, which every executor gives."""
    want = reference(program, *operands)
    np.testing.assert_array_equal(by_llvm(program, *operands), want)
    np.testing.assert_array_equal(by_c(program, folder, *operands), want)
    return want
