"""The integer rollout in NumPy: the oracle that every other executor must equal bit for bit.

Executes an IntegerProgram with 64-bit integers and nothing else. It shares no code with the TVM
passes, the code generator or the kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.integer.bound_ops import ClampOp, ExtremumOp, SelectOp
from tqs_edge.integer.layout_ops import PushOp, TransposeOp, UnfoldOp
from tqs_edge.integer.program import (
    AffineOp,
    ConcatOp,
    DenseBlock,
    DenseOp,
    IntegerOp,
    IntegerProgram,
    LutOp,
    ProductOp,
    QTensor,
    ReshapeOp,
    ScaleOp,
    SliceOp,
)
from tqs_edge.integer.reduction_ops import MaxOp, MovingSumOp, SumOp
from tqs_edge.quant.lut import sigmoid_s16, tanh_s16
from tqs_edge.verify.reference_nonlinear import compute_nonlinear, outside_domain

Ints = NDArray[np.int64]
Tensors = Mapping[str, Ints]


@dataclass(frozen=True, eq=False)
class ReferenceRun:
    """frames int16 (contexts, horizon, F); saturations: clipped values per tensor over the run."""

    frames: NDArray[np.int16]
    saturations: Mapping[str, int]


def run_reference(
    program: IntegerProgram,
    model: RolloutModel,
    contexts: NDArray[np.int16],
    horizon: int,
    *,
    exog: NDArray[np.int16] | None = None,
    on_step: Callable[[int, Tensors], None] | None = None,
) -> ReferenceRun:
    """Integer frames of free-running rollouts of all contexts at once.

    contexts int16 (N, rows, F), exog int16 (N, calls, E). `on_step` sees (call, all tensors of the
    step, each (N, *shape)).
    """
    count, rows, _ = contexts.shape
    tensors, length = program.tensors, model.length
    state = {s.name: _begun(tensors[s.name], count) for s in program.states}
    fed = 1 if model.form is RolloutForm.WINDOWED else -(-rows // length)  # calls on the context
    missing = np.zeros((count, max(fed * length - rows, 0), model.features), np.int64)
    context = np.concatenate([missing, contexts], axis=1)[:, -fed * length :]
    frames: list[Ints] = []
    saturations = dict.fromkeys(tensors, 0)
    for call in range(fed - 1 - (-horizon // model.block)):
        if call < fed:
            window = context[:, call * length : (call + 1) * length]
        else:
            window = np.concatenate([window, frames[-1]], axis=1)[:, -length:]
        values = {program.input: window.reshape(count, *tensors[program.input].shape), **state}
        if program.exog is not None:
            assert exog is not None
            values[program.exog] = exog[:, call].reshape(count, *tensors[program.exog].shape)
        values = run_step(program, values, saturations)
        if on_step is not None:
            on_step(call, values)
        state = {s.name: values[s.update] for s in program.states}
        if call >= fed - 1:
            frames.append(values[program.output].reshape(count, model.block, model.features))
    stacked = np.concatenate(frames, axis=1)[:, :horizon].astype(np.int16)
    return ReferenceRun(stacked, {name: n for name, n in saturations.items() if n})


def run_step(
    program: IntegerProgram, inputs: Tensors, saturations: dict[str, int]
) -> dict[str, Ints]:
    """All tensors of one step, each int64 (N, *shape); adds clipped values to `saturations`."""
    values: dict[str, Ints] = {name: np.asarray(v, np.int64) for name, v in inputs.items()}
    values |= {name: v.astype(np.int64)[None] for name, v in program.constants.items()}
    copies = {
        name
        for op in program.ops
        if isinstance(op, ExtremumOp)
        for position, name in enumerate(op.inputs)
        if name == f"{op.output}_{position}"  # rescaled for this operation alone
    }
    cut = {op.input for op in program.ops if isinstance(op, ClampOp)} & {
        f"{op.output}_0" for op in program.ops if isinstance(op, ClampOp)
    }
    clips: dict[str, Ints] = {}
    for op in program.ops:
        y = program.tensors[op.output]
        exact = _compute(op, y, values)
        low, high = -(1 << (y.bits - 1)), (1 << (y.bits - 1)) - 1
        if isinstance(op, AffineOp) and op.lowest == -y.zero_point:
            exact = np.maximum(exact, op.lowest)  # what a rectifier drops is not lost
        clipped = np.clip(exact, low, high)
        lost = clipped != exact
        if op.output in cut:  # what lies beyond the copy's range lies beyond the bounds too
            pass
        elif op.output in copies:  # clipped, but only lost where it is chosen
            clips[op.output] = lost.astype(np.int64)
        elif isinstance(op, ExtremumOp):
            saturations[op.output] += _chosen_losses(op, y, clipped, values, clips)
        elif not isinstance(op, LutOp):  # a saturated table is the function, not a loss
            saturations[op.output] += int(np.count_nonzero(lost)) + outside_domain(op, values)
        values[op.output] = clipped
    return values


def _begun(state: QTensor, count: int) -> Ints:
    """0.0 in all elements of a state, for every context."""
    return np.full((count, *state.shape), -state.zero_point, np.int64)


def _chosen_losses(
    op: ExtremumOp, y: QTensor, chosen: Ints, values: Tensors, clips: Tensors
) -> int:
    """How many chosen values are clipped copies; clips: 1 where a copy was clipped, else 0."""
    lost = np.zeros(chosen.shape, bool)
    for name in set(op.inputs) & clips.keys():
        lost |= (_aligned(clips[name], y) == 1) & (_aligned(values[name], y) == chosen)
    return int(np.count_nonzero(lost))


def _compute(op: IntegerOp, y: QTensor, values: Tensors) -> Ints:
    match op:
        case DenseOp():
            return np.concatenate([_dense(b, values[op.input]) for b in op.blocks], axis=-1)
        case AffineOp():
            total = np.asarray(op.offset, np.int64)
            for name, multiplier in zip(op.inputs, op.multipliers, strict=True):
                total = total + (_aligned(values[name], y) << op.left_shift) * multiplier
            return total >> op.shift
        case ProductOp():
            a, b = (_aligned(values[name], y) for name in op.inputs)
            return (a * b * op.multiplier + (1 << (op.shift - 1))) >> op.shift
        case ScaleOp():
            x = values[op.input]
            lead = len(y.shape) - (x.ndim - 1)  # axes that x lacks stand behind its contexts
            x = x.reshape(len(x), *[1] * lead, *x.shape[1:])
            scaled = x * op.multiplier.astype(np.int64) + (1 << (op.shift - 1))
            return op.whole * x + (scaled >> op.shift)
        case SliceOp():
            return values[op.input].take(range(op.begin, op.end), axis=op.axis)
        case ConcatOp():
            parts = [values[name] for name in op.inputs]
            count = max(len(part) for part in parts)  # a constant is there once for all contexts
            whole = [np.broadcast_to(part, (count, *part.shape[1:])) for part in parts]
            return np.concatenate(whole, axis=op.axis)
        case PushOp():
            state, row = values[op.state], values[op.row]
            older = state.take(range(row.shape[op.axis], state.shape[op.axis]), axis=op.axis)
            return np.concatenate([older, row], axis=op.axis)
        case ReshapeOp():
            x = values[op.input]
            return x.reshape(len(x), *y.shape)
        case LutOp():
            table = tanh_s16 if op.function == "tanh" else sigmoid_s16
            wide = table(values[op.input], op.fraction_bits).astype(np.int64)
            return wide if y.bits == 16 else (wide + 128) >> 8
        case TransposeOp():
            x = values[op.input]
            return x.transpose(0, *(axis + x.ndim for axis in op.axes))
        case UnfoldOp():
            return _unfold(op, y, values[op.input])
        case SumOp() | MovingSumOp():
            return (_sums(op, values[op.input]) * op.factor + (1 << (op.shift - 1))) >> op.shift
        case MaxOp():
            largest: Ints = values[op.input].max(axis=op.axis, keepdims=True)
            return largest
        case ExtremumOp():
            choose = np.maximum if op.function == "maximum" else np.minimum
            chosen: Ints = choose(*(_aligned(values[name], y) for name in op.inputs))
            return chosen
        case SelectOp():
            x, a, b = (_aligned(values[name], y) for name in (op.condition, *op.inputs))
            return np.where(x >= op.least, a, b)
        case ClampOp():
            return np.clip(values[op.input], op.low, op.high)
        case _:
            return compute_nonlinear(op, values)


def _unfold(op: UnfoldOp, y: QTensor, x: Ints) -> Ints:
    last = (y.shape[-2] - 1) * op.stride + 1
    begins = [j * op.dilation for j in range(op.kernel)]
    return np.concatenate([x[..., b : b + last : op.stride, :] for b in begins], axis=-1)


def _sums(op: SumOp | MovingSumOp, x: Ints) -> Ints:
    """Every sum from all of its terms."""
    if isinstance(op, SumOp):
        whole: Ints = x.sum(axis=op.axis, keepdims=True)
        return whole
    extent = x.shape[op.axis]
    count = extent + op.before + op.after - op.kernel + 1
    places = np.arange(count)[:, None] + np.arange(op.kernel) - op.before
    terms = np.moveaxis(x, op.axis, -1)[..., places.clip(0, extent - 1)]
    return np.moveaxis(terms.sum(axis=-1), -1, op.axis)


def _aligned(value: Ints, y: QTensor) -> Ints:
    """The value with the rank of `y` after its first axis, the contexts, which never broadcasts."""
    missing = len(y.shape) + 1 - value.ndim
    return value.reshape(len(value), *[1] * missing, *value.shape[1:])


def _dense(block: DenseBlock, x: Ints) -> Ints:
    acc = x @ block.weights.astype(np.int64).T + block.bias
    scaled: Ints = acc * block.multiplier.astype(np.int64) + (1 << (block.shift - 1))
    return scaled >> block.shift


def quantize_inputs(
    program: IntegerProgram, contexts: NDArray[np.floating], exog: NDArray[np.floating] | None
) -> tuple[NDArray[np.int16], NDArray[np.int16] | None]:
    """Real contexts (N, rows, F) and exogenous rows (N, calls, E) as the program's integers."""
    integers = quantize_frames(contexts, program.tensors[program.input])
    if exog is None or program.exog is None:
        return integers, None
    return integers, quantize_frames(exog, program.tensors[program.exog])


def dequantize_frames(frames: NDArray[np.int16], program: IntegerProgram) -> NDArray[np.float32]:
    """Integer frames of the program in the model's own units."""
    return (frames * program.tensors[program.output].scale).astype(np.float32)


def quantize_frames(values: NDArray[np.floating], tensor: QTensor) -> NDArray[np.int16]:
    """Real rows as the 16-bit integers of `tensor`: sat(floor(value / scale + 1/2))."""
    rounded = np.floor(np.asarray(values, np.float64) / tensor.scale + 0.5)
    return np.clip(rounded, -(1 << 15), (1 << 15) - 1).astype(np.int16)
