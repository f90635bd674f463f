"""The mixed-precision lowering: float bindings become the integer calls of the program."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tvm
from tvm import relax

from tqs_edge.errors import InputError, UnsupportedOp
from tqs_edge.graph.functions import FUNCTIONS
from tqs_edge.integer.bound_ops import ClampOp, ExtremumOp, SelectOp
from tqs_edge.integer.layout_ops import PushOp, TransposeOp, UnfoldOp
from tqs_edge.integer.nonlinear_ops import (
    FUNCTION_OPS,
    DeviationOp,
    DivideOp,
    LogOp,
    MatmulOp,
    NormalizeOp,
    PowerOp,
    SoftmaxOp,
    TableOp,
    WaveOp,
)
from tqs_edge.integer.program import (
    AffineOp,
    ConcatOp,
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
from tqs_edge.passes.bound_calls import clamp_call, extremum_call, select_call
from tqs_edge.passes.dense_op import dense_call
from tqs_edge.passes.integer_ops import (
    IntegerCall,
    concat_call,
    dtype_of,
    lut_call,
    reshape_call,
    slice_call,
)
from tqs_edge.passes.layout_calls import transpose_call, unfold_call
from tqs_edge.passes.nonlinear_calls import divide_call, log_call, power_call, table_call, wave_call
from tqs_edge.passes.push_call import push_call
from tqs_edge.passes.reduction_calls import max_call, moving_sum_call, sum_call
from tqs_edge.passes.row_calls import deviation_call, matmul_call, normalize_call, softmax_call
from tqs_edge.passes.wide_ops import affine_call, product_call, scale_call

BUILDERS: dict[type, Callable[..., IntegerCall]] = {
    DenseOp: dense_call,
    AffineOp: affine_call,
    ProductOp: product_call,
    ScaleOp: scale_call,
    LutOp: lut_call,
    SliceOp: slice_call,
    ConcatOp: concat_call,
    ReshapeOp: reshape_call,
    PushOp: push_call,
    TransposeOp: transpose_call,
    UnfoldOp: unfold_call,
    SumOp: sum_call,
    MovingSumOp: moving_sum_call,
    MaxOp: max_call,
    ExtremumOp: extremum_call,
    ClampOp: clamp_call,
    SelectOp: select_call,
    TableOp: table_call,
    WaveOp: wave_call,
    PowerOp: power_call,
    LogOp: log_call,
    DivideOp: divide_call,
    SoftmaxOp: softmax_call,
    NormalizeOp: normalize_call,
    DeviationOp: deviation_call,
    MatmulOp: matmul_call,
}

# What a float operation may have become. A product too coarse for its output ends in a rescale, a
# dense layer with scales by row in a product with them.
LOWERED_TO: dict[str, tuple[type, ...]] = {
    "tqs.dense": (DenseOp, ScaleOp),
    "tqs.affine": (AffineOp,),
    "relax.add": (AffineOp,),
    "relax.subtract": (AffineOp,),
    "relax.multiply": (AffineOp, ProductOp, ScaleOp),
    "relax.nn.relu": (AffineOp,),
    "relax.tanh": (LutOp,),
    "relax.sigmoid": (LutOp,),
    "relax.strided_slice": (SliceOp,),
    "relax.concat": (ConcatOp,),
    "relax.reshape": (ReshapeOp,),
    "tqs.push": (PushOp,),
    "relax.permute_dims": (TransposeOp,),
    "tqs.unfold": (UnfoldOp,),
    "relax.mean": (SumOp,),
    "relax.sum": (SumOp,),
    "tqs.moving_sum": (MovingSumOp,),
    "relax.max": (MaxOp,),
    "relax.maximum": (ExtremumOp,),
    "relax.minimum": (ExtremumOp,),
    "relax.clip": (ClampOp,),
    "tqs.select": (SelectOp,),
    "relax.divide": (AffineOp, DivideOp),
    "relax.matmul": (AffineOp, MatmulOp),
    "relax.nn.softmax": (SoftmaxOp,),
    "tqs.normalize": (AffineOp, NormalizeOp),
    "tqs.deviation": (AffineOp, DeviationOp),
    **{
        f"tqs.function.{name}": (AffineOp, TableOp, FUNCTION_OPS.get(name, TableOp))
        for name in FUNCTIONS
    },
    "tqs.function.abs": (AffineOp, ExtremumOp),
}


@tvm.transform.module_pass(opt_level=0, name="QuantizeSites")
class QuantizeSites:
    """Replaces the float `main` by integer calls, (x, [exog], state...) -> (y, state...).

    Module and program must agree: call check_agreement first. (Errors that are raised inside a
    TVM pass lose their class.)
    """

    def __init__(self, program: IntegerProgram) -> None:
        self.program = program

    def transform_module(
        self, module: tvm.IRModule, _context: tvm.transform.PassContext
    ) -> tvm.IRModule:
        """The integer module; InputError where module and program disagree."""
        check_agreement(module, self.program)
        return integer_module(self.program)


def check_agreement(module: tvm.IRModule, program: IntegerProgram) -> None:
    """Raises InputError or UnsupportedOp unless every float binding has its integer operation."""
    ops = {op.output: op for op in program.ops}
    for var, call in _calls(module["main"]):
        kind = _operation(module, call)
        if kind not in LOWERED_TO:
            raise UnsupportedOp(var.name, kind, f"supported are {', '.join(sorted(LOWERED_TO))}")
        op = ops.get(var.name)
        if op is None:
            raise InputError(
                f"layer '{var.name}' has no integer operation: the program is of another model"
            )
        _check_binding(var, kind, op, program.tensors[var.name])


def _check_binding(var: relax.Var, kind: str, op: IntegerOp, tensor: QTensor) -> None:
    if not isinstance(op, LOWERED_TO[kind]):
        raise InputError(f"layer '{var.name}' is {kind}, the program has {type(op).__name__}")
    if isinstance(op, LutOp) and kind != f"relax.{op.function}":
        raise InputError(f"layer '{var.name}' is {kind}, the program has a {op.function} table")
    extremum = (
        "relax.maximum" if kind == "tqs.function.abs" else kind
    )  # of a number and its opposite
    if isinstance(op, ExtremumOp) and extremum != f"relax.{op.function}":
        raise InputError(f"layer '{var.name}' is {kind}, the program has a {op.function}")
    if isinstance(op, TableOp | WaveOp | PowerOp) and kind != f"tqs.function.{op.function}":
        raise InputError(f"layer '{var.name}' is {kind}, the program has the {op.function}")
    shape = tuple(int(n) for n in var.ty.shape)
    if shape != tensor.shape:
        raise InputError(f"layer '{var.name}' has shape {shape}, the program {tensor.shape}")


def _calls(main: relax.Function) -> Iterator[tuple[relax.Var, relax.Call]]:
    for block in main.body.blocks:
        for binding in block.bindings:
            if isinstance(binding.value, relax.Call):
                yield binding.var, binding.value


def _operation(module: tvm.IRModule, call: relax.Call) -> str:
    """The Relax operator's name, or the Composite attribute of the function called."""
    if isinstance(call.op, tvm.ir.Op):
        return str(call.op.name)
    attrs = module[call.op].attrs if isinstance(call.op, tvm.ir.GlobalVar) else None
    return str(attrs["Composite"]) if attrs and "Composite" in attrs else str(call.op)


def integer_module(program: IntegerProgram) -> tvm.IRModule:
    """The step of `program` as pure integer TIR, (x, [exog], state...) -> (y, state...)."""
    builder = relax.BlockBuilder()
    names = [program.input, *([program.exog] if program.exog else [])]
    names += [state.name for state in program.states]
    values: dict[str, relax.Expr] = {name: _variable(program.tensors[name]) for name in names}
    with builder.function("main", [values[name] for name in names]):
        with builder.dataflow():
            for op in program.ops:
                values[op.output] = _emit(builder, program, op, values)
            results = [program.output, *(state.update for state in program.states)]
            outputs = builder.emit_output(relax.Tuple([values[name] for name in results]))
        builder.emit_func_output(outputs)
    return builder.get()


def _emit(
    builder: relax.BlockBuilder,
    program: IntegerProgram,
    op: IntegerOp,
    values: dict[str, relax.Expr],
) -> relax.Var:
    """The variable bound to the call of `op`."""
    call = BUILDERS[type(op)](op, program)
    # Private (no global symbol), so that a function nobody calls any more can be dropped.
    func = builder.add_func(call.func.without_attr("global_symbol"), f"{_verb(op)}_{op.output}")
    args = [
        relax.const(operand, str(operand.dtype))
        if isinstance(operand, np.ndarray)
        else values[operand]
        for operand in call.operands
    ]
    out = _variable(program.tensors[op.output]).ty
    return builder.emit(relax.call_tir(func, args, out), name_hint=op.output)


def _verb(op: IntegerOp) -> str:
    return op.function if isinstance(op, LutOp) else type(op).__name__.removesuffix("Op").lower()


def _variable(tensor: QTensor) -> relax.Var:
    return relax.Var(tensor.name, relax.TensorType(tensor.shape, dtype_of(tensor)))
