"""Vectors of any rank are computed as rows."""

from __future__ import annotations

import tvm
from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, assert_rewrites
from tqs_edge.frontend.drop_unit_axes import DropUnitAxes
from tqs_edge.frontend.fold_layout import FoldLayout


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


def test_pass_leaves_what_does_not_match():
    run = DropUnitAxes()
    assert_structural_equal(run(Elementwise), Elementwise)
