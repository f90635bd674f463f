"""Small readings of Relax expressions that all passes of the frontend share."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.relax.expr_functor import PyExprMutator


def op_name(expr: object) -> str:
    """The operator's name without "relax." ("matmul"); "" when `expr` calls no operator."""
    if isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.Op):
        return str(expr.op.name).removeprefix("relax.")
    return ""


def composite_name(mod: tvm.IRModule, expr: object) -> str:
    """The `Composite` attribute of the function that `expr` calls ("tqs.dense"), or ""."""
    if isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.GlobalVar):
        attrs = mod[expr.op].attrs
        return str(attrs["Composite"]) if attrs and "Composite" in attrs else ""
    return ""


def shape_of(expr: tvm.ir.Expr) -> tuple[int, ...]:
    """The static shape of a tensor expression."""
    return tuple(int(extent) for extent in expr.ty.shape.values)


def ints(values: object) -> tuple[int, ...]:
    """A Relax tuple, shape or attribute array of integer constants as Python integers."""
    if isinstance(values, relax.ShapeExpr):
        values = values.values
    elif isinstance(values, relax.Tuple):
        values = values.fields
    return tuple(int(value) for value in values)  # type: ignore[attr-defined]


def array_of(expr: object) -> np.ndarray | None:
    """The value of an inline constant, or None when `expr` is not one."""
    return expr.value.numpy() if isinstance(expr, tvm.ir.GenericConst) else None


def scalar_of(expr: object) -> float | None:
    """The value of an inline constant whose entries are all equal, or None."""
    array = array_of(expr)
    if array is None or array.size == 0 or not np.all(array == array.flat[0]):
        return None
    return float(array.flat[0])


def binding_of(mutator: PyExprMutator, expr: object) -> Any:
    """The value that variable `expr` is bound to while `mutator` rewrites, or None."""
    return mutator.lookup_binding(expr) if isinstance(expr, relax.Var) else None


def use_counts(function: relax.Function) -> Counter[tvm.ir.Expr]:
    """How often each variable of `function` is read, its result included."""
    counts: Counter[tvm.ir.Expr] = Counter()

    def visit(expr: tvm.ir.Expr) -> None:
        if isinstance(expr, relax.Call | relax.Tuple):
            children = expr.args if isinstance(expr, relax.Call) else expr.fields
            counts.update(child for child in children if isinstance(child, relax.Var))
        elif isinstance(expr, relax.TupleGetItem):
            counts[expr.tuple_value] += 1

    relax.analysis.post_order_visit(function, visit)
    return counts
