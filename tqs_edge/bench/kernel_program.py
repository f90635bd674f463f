"""Tiny integer steps around one kernel or one table function, for counting its instructions.

Around the kernel stand only a table lookup, a slice and copies: none of them needs 64-bit
arithmetic, so every call of a compiler's support routine belongs to the kernel.
"""

from __future__ import annotations

import numpy as np

from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.program import (
    DenseBlock,
    DenseOp,
    IntegerOp,
    IntegerProgram,
    LutOp,
    QTensor,
    SliceOp,
)
from tqs_edge.kernel_table import Kernel
from tqs_edge.quant.fixed_point import output_multiplier_shift

FRACTION_BITS = 12  # of what the tables read: int16 then covers +-8
# Real layers rarely need more; from 1/4 on the shift is 32, and DSP kernels do single rows.
MAX_FACTOR = 0.2
BIAS_REACH = 1 << 12


def step_model(features: int) -> RolloutModel:
    """The rollout form of these programs: x' = f(x) with `features` columns, no float graph."""
    shape = (1, features)
    graph = Graph("x", None, (), "y", (), {}, {"x": shape, "y": shape})
    return RolloutModel("bench", "bench", graph, RolloutForm.MAP, 1, features, 1, 0, 1)


def dense_program(kernel: Kernel, rows: int, depth: int, seed: int = 0) -> IntegerProgram:
    """x' = first `depth` outputs of one call of `kernel` on tanh(x); needs rows >= depth.

    Weights take every value of their width, biases are random, outputs fill int16 as far as
    MAX_FACTOR lets them.
    """
    scale = 2.0**-FRACTION_BITS
    tensors = (
        QTensor("x", (1, depth), 16, scale),
        QTensor("t", (1, depth), kernel.act_bits, 2.0 ** -(kernel.act_bits - 1)),
        QTensor("wide", (1, rows), 16, scale),
        QTensor("y", (1, depth), 16, scale),
    )
    ops: tuple[IntegerOp, ...] = (
        LutOp("t", "x", "tanh", FRACTION_BITS),
        DenseOp("wide", "t", "weight", (_random_block(kernel, rows, depth, seed),)),
        SliceOp("y", "wide", -1, 0, depth),
    )
    return IntegerProgram("x", None, "y", (), {t.name: t for t in tensors}, {}, ops)


def table_program(function: str, elements: int) -> IntegerProgram:
    """x' = `function` ("tanh", "sigmoid") of each of `elements` numbers."""
    tensors = {name: QTensor(name, (1, elements), 16, 2.0**-15) for name in ("x", "y")}
    return IntegerProgram(
        "x", None, "y", (), tensors, {}, (LutOp("y", "x", function, FRACTION_BITS),)
    )


def _random_block(kernel: Kernel, rows: int, depth: int, seed: int) -> DenseBlock:
    rng = np.random.default_rng([seed, kernel.act_bits, kernel.weight_bits, kernel.acc_bits])
    largest_x, largest_w = 1 << (kernel.act_bits - 1), 1 << (kernel.weight_bits - 1)
    weights = rng.integers(-largest_w, largest_w, (rows, depth)).astype(np.int16)
    bias = rng.integers(-BIAS_REACH, BIAS_REACH, rows)
    bound = np.abs(bias) + largest_x * np.abs(weights.astype(np.int64)).sum(axis=1)
    typical = largest_x * largest_w * np.sqrt(depth) / 3.0
    factors = np.minimum(rng.uniform(2.0**13, 2.0**15, rows) / typical, MAX_FACTOR)
    requant = output_multiplier_shift(factors.tolist(), bound.tolist())
    multiplier = np.array(requant.multipliers, np.int32)
    return DenseBlock(
        0, rows, kernel.weight_bits, weights, bias, multiplier, requant.shift, kernel.acc_bits
    )
