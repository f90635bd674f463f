"""Scalar arithmetic -> one affine composite."""

from __future__ import annotations

import numpy as np
from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, cleaned
from tqs_edge.frontend.fold_affine import FoldAffine


def test_scalar_chain_becomes_one_affine_and_identity_vanishes():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 4), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                doubled = R.multiply(R.const(2.0, "float32"), x)
                shifted = R.subtract(doubled, R.const(1.0, "float32"))
                flipped = R.subtract(R.const(3.0, "float32"), shifted)
                same = R.divide(x, R.const(1.0, "float32"))
                result = (flipped, same)
                R.output(result)
            return result

    @I.ir_module
    class Expected:
        @R.function(private=True)
        def affine(x: R.Tensor((1, 4), "float32")) -> R.Tensor((1, 4), "float32"):
            R.func_attr({"Composite": "tqs.affine"})
            with R.dataflow():
                scaled = R.multiply(x, R.const(-2.0, "float32"))
                total = R.add(scaled, R.const(4.0, "float32"))
                R.output(total)
            return total

    after = cleaned(FoldAffine()(Before))
    bindings = after["main"].body.blocks[0].bindings
    assert len(bindings) == 2
    assert_structural_equal(after[bindings[0].value.op], Expected["affine"])
    assert bindings[1].value.fields[1].same_as(after["main"].params[0])
    assert_structural_equal(cleaned(FoldAffine()(after)), after)


def test_scalar_that_enlarges_by_broadcasting_is_not_affine():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 1), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                ones = R.add(x, R.const(np.ones((1, 4), "float32")))
                result = (ones,)
                R.output(result)
            return result

    assert_structural_equal(FoldAffine()(Before), Before)


def test_pass_leaves_what_does_not_match():
    run = FoldAffine()
    assert_structural_equal(run(Elementwise), Elementwise)
