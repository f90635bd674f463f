from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tvm
from tvm import relax

from tests.passes.small_models import MODELS, gru, make_case
from tqs_edge.errors import InputError, UnsupportedOp
from tqs_edge.integer.program import LutOp
from tqs_edge.passes.lower import quantize


def _dtypes(module: tvm.IRModule) -> set[str]:
    """Types of all variables and constants of main."""
    found: set[str] = set()

    def visit(expr: relax.Expr) -> None:
        if isinstance(expr.ty, relax.TensorType):
            found.add(str(expr.ty.dtype))

    relax.analysis.post_order_visit(module["main"], visit)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_no_float_is_left(name: str) -> None:
    case = make_case(MODELS[name]())
    module = quantize(case.module, case.program)
    assert all(dtype.startswith("int") for dtype in _dtypes(module))


def test_signature_is_input_exog_and_states_without_weights() -> None:
    case = make_case(MODELS["lstm"](), state_bits=8)
    main = quantize(case.module, case.program)["main"]
    signature = [(p.name, str(p.ty.dtype)) for p in main.params]
    assert signature == [("x", "int16"), ("u", "int16"), ("h", "int8"), ("c", "int8")]


def test_bindings_keep_the_names_of_the_program() -> None:
    case = make_case(gru())
    main = quantize(case.module, case.program)["main"]
    names = [b.var.name for b in main.body.blocks[0].bindings[:-1]]
    assert names == [op.output for op in case.program.ops]


def test_every_row_block_becomes_unpacked_weights_of_its_own() -> None:
    case = make_case(gru(), widths=(16, 4))
    module = quantize(case.module, case.program)
    first = module["main"].body.blocks[0].bindings[0].value
    x, w16, b16, _, w4, b4, _ = first.args[1]
    assert x.name == "x"
    assert [str(a.ty.dtype) for a in (w16, b16, w4, b4)] == ["int16", "int64", "int8", "int32"]
    assert np.abs(w4.value.numpy()).max() <= 8


def test_a_program_of_another_model_is_refused() -> None:
    case = make_case(gru())
    program = replace(case.program, ops=case.program.ops[1:])
    with pytest.raises(InputError, match="'cell_ih' has no integer operation"):
        quantize(case.module, program)


def test_another_function_under_the_same_name_is_refused() -> None:
    case = make_case(gru())
    ops = tuple(
        replace(op, function="tanh") if isinstance(op, LutOp) and op.output == "r" else op
        for op in case.program.ops
    )
    with pytest.raises(InputError, match=r"'r' is relax\.sigmoid, the program has a tanh table"):
        quantize(case.module, replace(case.program, ops=ops))


def test_another_extremum_under_the_same_name_is_refused() -> None:
    case = make_case(MODELS["mixer"]())
    ops = tuple(
        replace(op, function="minimum") if op.output == "leaky" else op for op in case.program.ops
    )
    with pytest.raises(InputError, match=r"'leaky' is relax\.maximum, the program has a minimum"):
        quantize(case.module, replace(case.program, ops=ops))


def test_another_shape_is_refused() -> None:
    case = make_case(gru())
    tensors = {**case.program.tensors, "r": replace(case.program.tensors["r"], shape=(1, 31))}
    with pytest.raises(InputError, match="'r' has shape"):
        quantize(case.module, replace(case.program, tensors=tensors))


def test_an_operation_without_integer_form_is_named() -> None:
    case = make_case(gru())
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((1, 4), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            y = builder.emit(relax.op.exp(x), "r")
            out = builder.emit_output(relax.Tuple([y]))
        builder.emit_func_output(out)
    with pytest.raises(UnsupportedOp, match=r"layer 'r': operation 'relax\.exp'"):
        quantize(builder.get(), case.program)
