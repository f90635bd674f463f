"""What the tests of the canonicalisation passes share."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.ir import assert_structural_equal
from tvm.script import ir as I
from tvm.script import relax as R

CLEAN_UP = (relax.transform.CanonicalizeBindings(), relax.transform.DeadCodeElimination())


def cleaned(mod: tvm.IRModule) -> tvm.IRModule:
    for run in CLEAN_UP:
        mod = run(mod)
    return mod


def assert_rewrites(run: tvm.ir.transform.Pass, before: tvm.IRModule, expected: tvm.IRModule):
    """before -> expected after clean-up, well formed, and expected -> expected."""
    after = cleaned(run(before))
    relax.analysis.well_formed(after)
    assert_structural_equal(after, cleaned(expected))
    assert_structural_equal(cleaned(run(after)), after)


@I.ir_module
class Elementwise:
    """Nothing here is for any pass."""

    @R.function
    def main(x: R.Tensor((1, 4), "float32"), h: R.Tensor((1, 4), "float32")):
        R.func_attr({"num_input": 2, "num_exog": 0, "constants": []})
        with R.dataflow():
            total = R.add(x, h)
            gate = R.sigmoid(total)
            result = (gate, total)
            R.output(result)
        return result
