"""Expressions of constants are evaluated."""

from __future__ import annotations

import numpy as np
from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, cleaned
from tqs_edge.frontend.fold_constants import FoldConstants
from tqs_edge.frontend.fuse_dense import FuseDense


def test_expressions_of_constants_are_evaluated():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((1, 2), "float32"), std: R.Tensor((2,), "float32")):
            R.func_attr({"num_input": 1, "constants": ["std"]})
            with R.dataflow():
                wide = R.expand_dims(std, axis=[0])
                twice = R.multiply(wide, R.const(2.0, "float32"))
                scaled = R.divide(x, twice)
                result = (scaled,)
                R.output(result)
            return result

    after = cleaned(FoldConstants({"std": np.array([1, 2], np.float32)})(Before))
    (call, _) = (binding.value for binding in after["main"].body.blocks[0].bindings)
    assert call.op.name == "relax.multiply"
    np.testing.assert_array_equal(call.args[1].value.numpy(), [[0.5, 0.25]])


def test_a_constant_that_adds_axes_keeps_them():
    @I.ir_module
    class Before:
        @R.function
        def main(x: R.Tensor((2,), "float32"), c: R.Tensor((1, 1), "float32")):
            R.func_attr({"num_input": 1, "constants": ["c"]})
            with R.dataflow():
                moved = R.add(x, c)
                scaled = R.divide(moved, R.const([[[2.0]]], "float32"))
                result = (scaled,)
                R.output(result)
            return result

    after = cleaned(FoldConstants({"c": np.ones((1, 1), np.float32)})(Before))
    shapes = [b.var.ty.shape for b in after["main"].body.blocks[0].bindings[:-1]]
    assert [tuple(int(n) for n in shape) for shape in shapes] == [(1, 2), (1, 1, 2)]


def test_dense_of_a_constant_state_becomes_its_value():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((1, 2), "float32"),
            w: R.Tensor((2, 3), "float32"),
            b: R.Tensor((2,), "float32"),
        ):
            R.func_attr({"num_input": 1, "constants": ["w", "b"]})
            with R.dataflow():
                zeros = R.full((1, 3), R.const(1.0, "float32"), "float32")
                transposed = R.permute_dims(w, [1, 0])
                product = R.matmul(zeros, transposed)
                biased = R.add(product, b)
                total = R.add(x, biased)
                result = (total,)
                R.output(result)
            return result

    values = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.float32)}
    after = cleaned(FoldConstants(values)(cleaned(FuseDense()(Before))))
    call = after["main"].body.blocks[0].bindings[0].value
    np.testing.assert_array_equal(call.args[1].value.numpy(), [[4, 13]])


def test_pass_leaves_what_does_not_match():
    run = FoldConstants({})
    assert_structural_equal(run(Elementwise), Elementwise)
