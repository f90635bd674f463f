"""Vectors of any rank are computed as rows."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, assert_rewrites, cleaned
from tqs_edge.frontend.composite import scalar_function
from tqs_edge.frontend.drop_unit_axes import DropUnitAxes
from tqs_edge.frontend.fold_layout import FoldLayout
from tqs_edge.frontend.relax_expr import composite_name, op_name, shape_of


def test_vectors_of_rank_three_are_computed_as_rows():
    @I.ir_module
    class Before:
        @R.function
        def main(h: R.Tensor((1, 1, 4), "float32"), x: R.Tensor((1, 4), "float32")):
            R.func_attr({"num_input": 2, "constants": []})
            with R.dataflow():
                gate = R.sigmoid(h)
                total = R.add(gate, x)
                half = R.strided_slice(total, (2,), (0,), (2,))
                result = (half,)
                R.output(result)
            return result

    @I.ir_module
    class Expected:
        @R.function
        def main(h: R.Tensor((1, 1, 4), "float32"), x: R.Tensor((1, 4), "float32")):
            R.func_attr({"num_input": 2, "constants": []})
            with R.dataflow():
                row = R.reshape(h, (1, 4))
                gate = R.sigmoid(row)
                total = R.add(gate, x)
                half = R.strided_slice(total, (1,), (0,), (2,))
                out = R.reshape(half, (1, 1, 2))
                result = (out,)
                R.output(result)
            return result

    both = tvm.ir.transform.Sequential([DropUnitAxes(), FoldLayout()])
    assert_rewrites(both, Before, Expected)


def test_functions_of_vectors_are_functions_of_rows():
    builder = relax.BlockBuilder()
    h = relax.Var("h", relax.TensorType((1, 1, 4), "float32"))
    with builder.function("main", [h], attrs={"num_input": 1}):
        with builder.dataflow():
            function = builder.add_func(scalar_function(h.ty, "gelu"), "gelu")
            curve = builder.emit(relax.Call(function, [h]))
            result = builder.emit_output(relax.Tuple([curve]))
        builder.emit_func_output(result)
    after = cleaned(DropUnitAxes()(builder.get()))
    before, call, shaped, _ = (b.value for b in after["main"].body.blocks[0].bindings)
    assert (op_name(before), op_name(shaped)) == ("reshape", "reshape")
    assert composite_name(after, call) == "tqs.function.gelu"
    assert shape_of(call.args[0]) == (1, 4)


def test_pass_leaves_what_does_not_match():
    run = DropUnitAxes()
    assert_structural_equal(run(Elementwise), Elementwise)
