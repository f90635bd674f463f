"""A constant added to a sum becomes the bias of a dense product of that sum."""

from __future__ import annotations

import torch
from torch import nn
from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise, assert_rewrites, cleaned
from tqs_edge.frontend.bias_of_sums import BiasOfSums
from tqs_edge.frontend.fuse_dense import FuseDense
from tqs_edge.frontend.load import load_model
from tqs_edge.graph.graph import Op


@I.ir_module
class Bare:
    """x W^T + h, from FuseDense."""

    @R.function(private=True)
    def dense(x: R.Tensor((1, 3), "float32"), weight: R.Tensor((2, 3), "float32")) -> R.Tensor(
        (1, 2), "float32"
    ):
        R.func_attr({"Composite": "tqs.dense"})
        with R.dataflow():
            transposed = R.permute_dims(weight, [1, 0])
            product = R.matmul(x, transposed)
            R.output(product)
        return product

    @R.function
    def main(
        x: R.Tensor((1, 3), "float32"),
        h: R.Tensor((1, 2), "float32"),
        w: R.Tensor((2, 3), "float32"),
        b: R.Tensor((2,), "float32"),
    ):
        R.func_attr({"num_input": 2})
        cls = Bare
        with R.dataflow():
            product = cls.dense(x, w)
            total = R.add(h, product)
            biased = R.add(b, total)
            result = (biased,)
            R.output(result)
        return result


def test_bias_of_a_sum_joins_the_dense_product():
    @I.ir_module
    class Expected:
        @R.function(private=True)
        def dense1(
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
            h: R.Tensor((1, 2), "float32"),
            w: R.Tensor((2, 3), "float32"),
            b: R.Tensor((2,), "float32"),
        ):
            R.func_attr({"num_input": 2})
            cls = Expected
            with R.dataflow():
                product = cls.dense1(x, w, b)
                biased = R.add(product, h)
                result = (biased,)
                R.output(result)
            return result

    assert_rewrites(BiasOfSums(), Bare, Expected)


def test_sums_and_products_that_others_read_keep_their_bias():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((1, 3), "float32"),
            h: R.Tensor((1, 2), "float32"),
            w: R.Tensor((2, 3), "float32"),
            b: R.Tensor((2,), "float32"),
            c: R.Tensor((1,), "float32"),
        ):
            R.func_attr({"num_input": 2})
            with R.dataflow():
                transposed = R.permute_dims(w, [1, 0])
                shared = R.matmul(x, transposed)
                of_shared = R.add(R.add(shared, h), b)
                read_twice = R.add(h, R.matmul(x, transposed))
                of_read_twice = R.add(read_twice, b)
                one_for_all = R.add(R.add(R.matmul(x, transposed), h), c)
                result = (of_shared, of_read_twice, one_for_all, shared, read_twice)
                R.output(result)
            return result

    fused = cleaned(FuseDense()(Before))
    assert_structural_equal(cleaned(BiasOfSums()(fused)), fused)


def test_pass_leaves_what_does_not_match():
    assert_structural_equal(BiasOfSums()(Elementwise), Elementwise)


class _Cell(nn.Module):
    """tanh(W h + V x + b), as papers write it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.w, self.v, self.b = (nn.Parameter(torch.randn(*s)) for s in ((4, 4), (4, 2), (4,)))
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.tanh(h @ self.w.T + x @ self.v.T + self.b)
        return self.head(h), h


def test_cell_of_a_paper_adds_nothing_to_its_sum():
    inputs = torch.zeros(1, 2), torch.zeros(1, 4)
    graph = load_model(_Cell().eval(), example_inputs=inputs).model.graph
    assert [node.op for node in graph.nodes].count(Op.ADD) == 1
    assert [node.bias is not None for node in graph.dense_nodes()].count(True) == 2
