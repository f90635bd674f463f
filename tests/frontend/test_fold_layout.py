"""Layout operations collapse."""

from __future__ import annotations

from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, assert_rewrites
from tqs_edge.frontend.fold_layout import FoldLayout


def test_layout_operations_collapse():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((2, 1, 4), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                swapped = R.permute_dims(x, [1, 0, 2])
                back = R.reshape(swapped, (2, 1, 4))
                whole = R.strided_slice(back, (0,), (0,), (2,))
                row = R.take(whole, R.const(1, "int64"), axis=0, mode="fast")
                wide = R.expand_dims(row, axis=[0])
                one = R.concat((wide,), axis=0)
                result = (one,)
                R.output(result)
            return result

    @I.ir_module
    class Expected:
        @R.function
        def main(x: R.Tensor((2, 1, 4), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                one = R.strided_slice(x, (0,), (1,), (2,))
                result = (one,)
                R.output(result)
            return result

    assert_rewrites(FoldLayout(), Before, Expected)


def test_real_transpose_and_negative_take_are_left_alone():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 2, 4), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                swapped = R.permute_dims(x, [0, 2, 1])
                row = R.take(x, R.const(-1, "int64"), axis=1, mode="fast")
                result = (swapped, row)
                R.output(result)
            return result

    assert_structural_equal(FoldLayout()(Before), Before)


def test_pass_leaves_what_does_not_match():
    run = FoldLayout()
    assert_structural_equal(run(Elementwise), Elementwise)
