"""matmul, transpose and bias -> one dense composite."""

from __future__ import annotations

import tvm
from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, assert_rewrites, cleaned
from tqs_edge.frontend.fuse_dense import FuseDense


def test_transposed_weight_and_bias_become_one_dense_composite():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((1, 3), "float32"),
            w: R.Tensor((2, 3), "float32"),
            b: R.Tensor((2,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                transposed = R.permute_dims(w, [1, 0])
                product = R.matmul(x, transposed, out_dtype="float32")
                total = R.add(b, product)
                result = (total,)
                R.output(result)
            return result

    @I.ir_module
    class Expected:
        @R.function(private=True)
        def dense(
            x: R.Tensor((1, 3), "float32"),
            weight: R.Tensor((2, 3), "float32"),
            bias: R.Tensor((2,), "float32"),
        ) -> R.Tensor((1, 2), "float32"):
            R.func_attr({"Composite": "tqs.dense"})
            with R.dataflow():
                transposed = R.permute_dims(weight, [1, 0])
                product = R.matmul(x, transposed)
                total = R.add(product, bias)
                R.output(total)
            return total

        @R.function
        def main(
            x: R.Tensor((1, 3), "float32"),
            w: R.Tensor((2, 3), "float32"),
            b: R.Tensor((2,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            cls = Expected
            with R.dataflow():
                total = cls.dense(x, w, b)
                result = (total,)
                R.output(result)
            return result

    assert_rewrites(FuseDense(), Before, Expected)


def test_residual_is_not_taken_for_a_bias_and_a_shared_product_stays_bare():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((1, 2), "float32"),
            w: R.Tensor((2, 2), "float32"),
            b: R.Tensor((2,), "float32"),
        ):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                transposed = R.permute_dims(w, [1, 0])
                product = R.matmul(x, transposed)
                residual = R.add(x, product)
                biased = R.add(product, b)
                result = (residual, biased)
                R.output(result)
            return result

    after = cleaned(FuseDense()(Before))
    calls = [binding.value for binding in after["main"].body.blocks[0].bindings[:-1]]
    assert [len(call.args) for call in calls] == [2, 2, 2]
    assert isinstance(calls[0].op, tvm.ir.GlobalVar)


def test_pass_leaves_what_does_not_match():
    run = FuseDense()
    assert_structural_equal(run(Elementwise), Elementwise)
