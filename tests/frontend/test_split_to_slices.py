"""split -> slices."""

from __future__ import annotations

from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, assert_rewrites
from tqs_edge.frontend.split_to_slices import SplitToSlices


def test_split_becomes_the_slices_that_are_read():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 6), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                parts = R.split(x, [1, 4], axis=-1)
                first = parts[0]
                last = parts[2]
                result = (first, last)
                R.output(result)
            return result

    @I.ir_module
    class Expected:
        @R.function
        def main(x: R.Tensor((1, 6), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                first = R.strided_slice(x, (1,), (0,), (1,))
                last = R.strided_slice(x, (1,), (4,), (6,))
                result = (first, last)
                R.output(result)
            return result

    assert_rewrites(SplitToSlices(), Before, Expected)


def test_pass_leaves_what_does_not_match():
    run = SplitToSlices()
    assert_structural_equal(run(Elementwise), Elementwise)
