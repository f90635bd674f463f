"""Constants that nothing reads disappear."""

from __future__ import annotations

from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

from tests.frontend.rewriting import Elementwise
from tqs_edge.frontend.drop_unused_constants import DropUnusedConstants


def test_unread_constants_leave_the_signature():
    @I.ir_module
    class Before:
        @R.function
        def main(
            x: R.Tensor((1, 2), "float32"),
            a: R.Tensor((2,), "float32"),
            b: R.Tensor((2,), "float32"),
        ):
            R.func_attr({"num_input": 1, "constants": ["a", "b"]})
            with R.dataflow():
                total = R.add(x, b)
                result = (total,)
                R.output(result)
            return result

    main = DropUnusedConstants()(Before)["main"]
    assert [param.name for param in main.params] == ["x", "b"]
    assert [str(path) for path in main.attrs["constants"]] == ["b"]


def test_pass_leaves_what_does_not_match():
    run = DropUnusedConstants()
    assert_structural_equal(run(Elementwise), Elementwise)
