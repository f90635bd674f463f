"""Functions marked by nonlinear_calls and row_calls become calls of the C they are marked with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tvm
import tvm_ffi
from tvm import te, tirx

from tqs_edge.passes.integer_ops import ELEMENTWISE, OPAQUE, statement


def marked_kernel(func: tirx.PrimFunc) -> tirx.PrimFunc | None:
    """`func` as a call of its "tqs.inline" function or "tqs.kernel"; None without a mark.

    The parameters stay as they are.
    """
    if "tqs.inline" in func.attrs:
        return _inline_function(func)
    return _kernel_call(func) if "tqs.kernel" in func.attrs else None


def _inline_function(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """One inline call per element, inputs broadcast."""
    inputs, y = _placeholders(func), func.params[-1].ty
    values = inputs[: len(inputs) - int(func.attrs["tqs.tables"])]
    tables = inputs[len(values) :]

    def element(*indices: tirx.Expr) -> tirx.Expr:
        elements = [_at(value, indices, y.shape) for value in values]
        return tirx.call_extern(
            str(y.dtype),
            str(func.attrs["tqs.inline"]),
            *(elements[n] for n in _arguments(func, len(values))),
            *(table(0) for table in tables),
            *func.attrs["tqs.scalars"],
        )

    result = te.compute(y.shape, element, name=str(func.attrs["tqs.tensor"]))
    sizes = {_elements(t.shape) for t in values} | {_elements(y.shape)}
    made = _finished(func, [*inputs, result], ELEMENTWISE if len(sizes) == 1 else OPAQUE)
    return _pass_pointers(made, len(values))


def _pass_pointers(func: tirx.PrimFunc, first: int) -> tirx.PrimFunc:
    """`func` with pointers to the parameters from `first` on where their element 0 is an argument
    (TE has no addresses)."""
    tables = list(func.params)[first:-1]

    def pointer(load: tvm.ir.TensorLoad) -> tvm.ir.Expr:
        is_table = any(load.source.same_as(table) for table in tables)
        return tirx.address_of(load) if is_table else load

    return func.with_body(tvm_ffi.structural_map(func.body, (tvm.ir.TensorLoad, pointer)))


def _kernel_call(func: tirx.PrimFunc) -> tirx.PrimFunc:
    """One kernel call for the whole tensor."""
    inputs, y = _placeholders(func), func.params[-1].ty

    def body(ins: Sequence[tirx.Buffer], outs: Sequence[tirx.Buffer]) -> tirx.Stmt:
        pointers = [tirx.address_of(b[(0,) * len(b.shape)]) for b in (*ins, *outs)]
        return tirx.Evaluate(
            tirx.call_extern(
                "void",
                str(func.attrs["tqs.kernel"]),
                *(pointers[n] for n in _arguments(func, len(ins))),
                *func.attrs["tqs.before"],
                pointers[-1],
                *func.attrs["tqs.after"],
            )
        )

    name = str(func.attrs["tqs.tensor"])
    result = statement(name, inputs, y.shape, str(y.dtype), body)
    return _finished(func, [*inputs, result], OPAQUE)


def _placeholders(func: tirx.PrimFunc) -> list[te.Tensor]:
    return [
        te.placeholder(p.ty.shape, str(p.ty.dtype), name=p.name) for p in list(func.params)[:-1]
    ]


def _arguments(func: tirx.PrimFunc, count: int) -> list[int]:
    """Which parameter each argument is: a tensor that is read twice is one parameter."""
    attrs = func.attrs
    return [int(n) for n in attrs["tqs.arguments"]] if "tqs.arguments" in attrs else [*range(count)]


def _at(tensor: te.Tensor, indices: Sequence[tirx.Expr], shape: Sequence[int]) -> tirx.Expr:
    """tensor[indices] under NumPy broadcasting to `shape`."""
    lead = len(shape) - len(tensor.shape)
    extents = zip(tensor.shape, shape[lead:], indices[lead:], strict=True)
    return tensor(*(i if int(own) == int(full) else 0 for own, full, i in extents))


def _elements(shape: Sequence[int]) -> int:
    return int(np.prod([int(n) for n in shape]))


def _finished(func: tirx.PrimFunc, tensors: Sequence[te.Tensor], pattern: int) -> tirx.PrimFunc:
    marks = {"tqs.tensor": func.attrs["tqs.tensor"], "op_pattern": pattern, "tirx.noalias": True}
    return te.create_prim_func(list(tensors)).with_attrs(marks)
