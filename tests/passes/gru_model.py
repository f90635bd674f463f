"""A GRU step made by hand: the float Relax module and a matching integer program.

x (1, 4), h (1, 32); gates from gi = W_ih x and gh = W_hh h; y = x + head(h'). Weight rows have
mixed widths. Constants are random, but sized so that every tensor uses most of its range.
"""

from __future__ import annotations

import math

import numpy as np
from tvm import relax

from tqs_edge.integer.program import (
    AffineOp,
    DenseBlock,
    DenseOp,
    IntegerOp,
    IntegerProgram,
    LutOp,
    ProductOp,
    QState,
    QTensor,
    SliceOp,
)

SHIFT = 40


def gru_float_module(features: int = 4, hidden: int = 32):
    """The canonical float module: dense layers as composites, other bindings as Relax operators."""
    builder = relax.BlockBuilder()
    x, h = _input("x", (1, features)), _input("h", (1, hidden))
    shapes = {
        "cell_weight_ih": (3 * hidden, features),
        "cell_bias_ih": (3 * hidden,),
        "cell_weight_hh": (3 * hidden, hidden),
        "cell_bias_hh": (3 * hidden,),
        "head_weight": (features, hidden),
        "head_bias": (features,),
    }
    weights = {name: _input(name, shape) for name, shape in shapes.items()}
    with builder.function("main", [x, h, *weights.values()]):
        with builder.dataflow():
            emit = builder.emit

            def dense(name, source, prefix, suffix):
                w, b = weights[f"{prefix}weight{suffix}"], weights[f"{prefix}bias{suffix}"]
                func = dense_composite(builder, f"dense_{name}", source, w, b)
                return emit(relax.Call(func, [source, w, b]), name)

            gi, gh = dense("gi", x, "cell_", "_ih"), dense("gh", h, "cell_", "_hh")

            def part(source, name, index):
                begin = [index * hidden]
                sliced = relax.op.strided_slice(source, [1], begin, [begin[0] + hidden])
                return emit(sliced, name)

            i_r, i_z, i_n = (part(gi, f"i_{g}", k) for k, g in enumerate("rzn"))
            h_r, h_z, h_n = (part(gh, f"h_{g}", k) for k, g in enumerate("rzn"))
            r = emit(relax.op.sigmoid(emit(relax.op.add(i_r, h_r), "r_in")), "r")
            z = emit(relax.op.sigmoid(emit(relax.op.add(i_z, h_z), "z_in")), "z")
            gated = emit(relax.op.multiply(r, h_n), "gated")
            n = emit(relax.op.tanh(emit(relax.op.add(i_n, gated), "n_in")), "n")
            kept = emit(relax.op.multiply(z, emit(relax.op.subtract(h, n), "change")), "kept")
            h_next = emit(relax.op.add(n, kept), "h_next")
            delta = dense("delta", h_next, "head_", "")
            y = emit(relax.op.add(x, delta), "y")
            out = builder.emit_output(relax.Tuple([y, h_next]))
        builder.emit_func_output(out)
    return builder.get()


def dense_composite(builder, name, source, weight, bias):
    """The private function that the frontend makes of one dense layer."""
    rows = weight.ty.shape[0]
    params = [relax.Var(n, v.ty) for n, v in (("x", source), ("w", weight), ("b", bias))]
    result = relax.TensorType((1, rows), "float32")
    body = relax.BlockBuilder()
    with body.function(name, params, attrs={"Composite": "tqs.dense"}, private=True):
        with body.dataflow():
            product = body.emit(relax.op.matmul(params[0], relax.op.permute_dims(params[1])))
            out = body.emit_output(relax.op.add(product, params[2]))
        body.emit_func_output(out)
    assert result is not None
    return builder.add_func(body.get()[name], name)


def gru_program(features: int = 4, hidden: int = 32, seed: int = 0, **bits: int) -> IntegerProgram:
    """The integer step. bits: `state` and `input_act` (8 or 16), both 16 by default."""
    rng = np.random.default_rng(seed)
    state_bits, act_bits = bits.get("state", 16), bits.get("input_act", 16)
    one = (1, hidden)
    tensors = {
        t.name: t
        for t in (
            QTensor("x", (1, features), 16, 1 / 4096),
            QTensor("h", one, state_bits, 2.0 ** -(state_bits - 1)),
            QTensor("x_a8", (1, features), 8, 1 / 16),
            QTensor("gi", (1, 3 * hidden), 16, 1 / 4096),
            QTensor("gh", (1, 3 * hidden), 16, 1 / 4096),
            *(QTensor(f"{s}_{g}", one, 16, 1 / 4096) for s in "ih" for g in "rzn"),
            *(QTensor(n, one, 16, 1 / 4096) for n in ("r_in", "z_in", "n_in", "gated")),
            *(QTensor(n, one, 16, 1 / 32768) for n in ("r", "z", "n", "kept")),
            QTensor("change", one, 16, 1 / 16384),
            QTensor("h_next", one, state_bits, 2.0 ** -(state_bits - 1)),
            QTensor("delta", (1, features), 16, 1 / 4096),
            QTensor("y", (1, features), 16, 1 / 4096),
        )
    }
    ops: list[IntegerOp] = []
    x_name = "x" if act_bits == 16 else "x_a8"
    if act_bits == 8:
        ops.append(affine("x_a8", ("x",), (1 / 256,), 8))
    ops.append(dense("gi", x_name, "cell.weight_ih", features, _gates(hidden, (8, 4, 2)), rng, act_bits))
    ops.append(dense("gh", "h", "cell.weight_hh", hidden, _gates(hidden, (4, 8, 16)), rng, state_bits))
    for source, prefix in (("gi", "i"), ("gh", "h")):
        for index, gate in enumerate("rzn"):
            begin = index * hidden
            ops.append(SliceOp(f"{prefix}_{gate}", source, -1, begin, begin + hidden))
    unit = 2.0 ** (16 - state_bits)  # integers of h per integer of a Q15 value, inverted
    ops += [
        affine("r_in", ("i_r", "h_r"), (1.0, 1.0)),
        LutOp("r", "r_in", "sigmoid", 12),
        affine("z_in", ("i_z", "h_z"), (1.0, 1.0)),
        LutOp("z", "z_in", "sigmoid", 12),
        ProductOp("gated", ("r", "h_n"), 1 << 25, SHIFT),
        affine("n_in", ("i_n", "gated"), (1.0, 1.0)),
        LutOp("n", "n_in", "tanh", 12),
        affine("change", ("h", "n"), (unit / 2, -0.5)),
        ProductOp("kept", ("z", "change"), 1 << 26, SHIFT),
        affine("h_next", ("n", "kept"), (1 / unit, 1 / unit), state_bits),
        dense("delta", "h_next", "head.weight", hidden, [(0, features, 8)], rng, state_bits),
        affine("y", ("x", "delta"), (0.875, 0.25)),
    ]
    return IntegerProgram("x", None, "y", (QState("h", "h_next"),), tensors, {}, tuple(ops))


def affine(output: str, inputs: tuple[str, ...], gains: tuple[float, ...], bits: int = 16) -> AffineOp:
    """y = sat(sum gain_i x_i), rounded half up, at shift 40."""
    multipliers = tuple(round(g * 2.0 ** (SHIFT - 12)) for g in gains)
    return AffineOp(output, inputs, multipliers, 12, 1 << (SHIFT - 1), SHIFT, -(1 << (bits - 1)))


def dense(name, source, weight, depth, layout, rng, act_bits) -> DenseOp:
    """Random weights at the given widths; multipliers that spread each row over +-2^14."""
    blocks = []
    for begin, end, bits in layout:
        rows, high = end - begin, (1 << (bits - 1)) - 1
        weights = rng.integers(-high - 1, high + 1, (rows, depth)).astype(np.int16)
        spread = 2.0 ** (act_bits - 2) * max(high, 1) * math.sqrt(depth) / 2
        gain = rng.uniform(0.5, 1.0, rows) * 2.0**13 / spread
        shift = max(32, min(62, 30 - math.ceil(math.log2(gain.max()))))
        multiplier = np.minimum(np.round(gain * 2.0**shift), 2**31 - 1).astype(np.int32)
        bias = rng.integers(-int(spread), int(spread) + 1, rows).astype(np.int64)
        worst = (np.abs(weights.astype(np.int64)).sum(1) << (act_bits - 1)) + np.abs(bias)
        acc_bits = 64 if bits == 16 or int(worst.max()) >= 2**31 else 32
        blocks.append(DenseBlock(begin, end, bits, weights, bias, multiplier, shift, acc_bits))
    return DenseOp(name, source, weight, tuple(blocks))


def _gates(hidden: int, widths: tuple[int, ...]) -> list[tuple[int, int, int]]:
    return [(k * hidden, (k + 1) * hidden, bits) for k, bits in enumerate(widths)]


def _input(name: str, shape: tuple[int, ...]) -> relax.Var:
    return relax.Var(name, relax.TensorType(shape, "float32"))
