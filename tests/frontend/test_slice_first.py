"""Slices of a sum -> the sum of slices."""

from __future__ import annotations

from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, assert_rewrites
from tqs_edge.frontend.slice_first import SliceFirst


def test_a_sum_that_only_slices_read_is_made_slice_by_slice():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 6), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                a = R.tanh(x)
                b = R.sigmoid(x)
                gates = R.add(a, b)
                first = R.strided_slice(gates, (1,), (0,), (2,))
                last = R.strided_slice(gates, (1,), (2,), (6,))
                result = (first, last)
                R.output(result)
            return result

    @I.ir_module
    class Expected:
        @R.function
        def main(x: R.Tensor((1, 6), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                a = R.tanh(x)
                b = R.sigmoid(x)
                a0 = R.strided_slice(a, (1,), (0,), (2,))
                b0 = R.strided_slice(b, (1,), (0,), (2,))
                first = R.add(a0, b0)
                a1 = R.strided_slice(a, (1,), (2,), (6,))
                b1 = R.strided_slice(b, (1,), (2,), (6,))
                last = R.add(a1, b1)
                result = (first, last)
                R.output(result)
            return result

    assert_rewrites(SliceFirst(), Before, Expected)


def test_a_sum_that_something_else_reads_stays():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 6), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                a = R.tanh(x)
                b = R.sigmoid(x)
                gates = R.add(a, b)
                first = R.strided_slice(gates, (1,), (0,), (2,))
                result = (first, gates)
                R.output(result)
            return result

    assert_structural_equal(SliceFirst()(Before), Before)


def test_pass_leaves_what_does_not_match():
    run = SliceFirst()
    assert_structural_equal(run(Elementwise), Elementwise)
