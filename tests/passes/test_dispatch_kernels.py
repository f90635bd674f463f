from __future__ import annotations

import numpy as np
import tvm
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from tests.passes.small_models import gru, make_case, window_network
from tqs_edge.passes.dispatch_kernels import DispatchKernels
from tqs_edge.passes.lower import quantize
from tqs_edge.quant.pack import pack


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def scale(x: T.Buffer((4,), "int16"), y: T.Buffer((4,), "int16")):
        T.func_attr({"op_pattern": 0, "tqs.tensor": "y"})
        for i in range(4):
            with T.sblock("y"):
                v = T.axis.spatial(4, i)
                y[v] = T.Cast(
                    "int16",
                    T.max(
                        T.min(
                            T.Cast(
                                "int32",
                                T.Cast("int64", x[v]) * T.int64(77) + T.int64(2**35) >> T.int64(36),
                            ),
                            32767,
                        ),
                        -32768,
                    ),
                )

    @R.function
    def main(x: R.Tensor((4,), "int16")):
        cls = Before
        with R.dataflow():
            y = R.call_tir(cls.scale, (x,), out_ty=R.Tensor((4,), "int16"))
            R.output(y)
        return y


@I.ir_module
class Expected:
    @T.prim_func(private=True, s_tir=True)
    def scale(x: T.Buffer((4,), "int16"), y: T.Buffer((4,), "int16")):
        T.func_attr({"op_pattern": 0, "tqs.tensor": "y"})
        for i in range(4):
            with T.sblock("y"):
                v = T.axis.spatial(4, i)
                y[v] = T.call_extern(
                    "int16",
                    "tqs_sat16",
                    T.call_extern(
                        "int32", "tqs_round_high", T.Cast("int64", x[v]) * T.int64(77), 36
                    ),
                )

    @R.function
    def main(x: R.Tensor((4,), "int16")):
        cls = Expected
        with R.dataflow():
            y = R.call_tir(cls.scale, (x,), out_ty=R.Tensor((4,), "int16"))
            R.output(y)
        return y


def test_shift_and_saturation_become_inline_functions() -> None:
    tvm.ir.assert_structural_equal(DispatchKernels()(Before), Expected)


def test_nothing_happens_twice() -> None:
    once = DispatchKernels()(Before)
    tvm.ir.assert_structural_equal(DispatchKernels()(once), once)


def _script(module: tvm.IRModule) -> str:
    return str(module.script(show_meta=False))


def test_dense_blocks_become_kernel_calls_with_packed_weights() -> None:
    case = make_case(gru(), widths=(16, 4))
    module = DispatchKernels()(quantize(case.module, case.program))
    x, words16, _, _, words4, *_ = module["main"].body.blocks[0].bindings[0].value.args[1]
    assert x.name == "x"
    block16, block4 = case.program.ops[0].blocks
    np.testing.assert_array_equal(words16.value.numpy(), pack(block16.weights, 16, 16))
    np.testing.assert_array_equal(words4.value.numpy(), pack(block4.weights, 4, 16))
    text = _script(module)
    assert '"tqs_dense_a16w16_acc64"' in text and '"tqs_dense_a16w4"' in text


def test_tables_lose_their_operand() -> None:
    case = make_case(gru())
    module = DispatchKernels()(quantize(case.module, case.program))
    text = _script(module)
    assert '"tqs_tanh_s16"' in text and '"tqs_sigmoid_s16"' in text and "tanh_table" not in text


def test_rows_of_odd_depth_are_copied_to_aligned_rows() -> None:
    case = make_case(window_network())
    module = DispatchKernels()(quantize(case.module, case.program))
    bindings = module["main"].body.blocks[0].bindings
    assert bindings[0].var.name == "rows_rows"
    assert [int(n) for n in bindings[0].var.ty.shape] == [4, 4]  # depth 3, padded to a word


def test_rectifier_keeps_its_own_lower_bound() -> None:
    case = make_case(window_network())
    text = _script(DispatchKernels()(quantize(case.module, case.program)))
    assert '"tqs_at_least_s16"' in text
