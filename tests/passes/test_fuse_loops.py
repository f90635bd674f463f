from __future__ import annotations

import tvm
import tvm_ffi
from tvm import tirx
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from tests.codegen.executors import program_of
from tests.passes.small_models import gru, lstm, make_case
from tqs_edge.integer.program import LutOp, SliceOp
from tqs_edge.passes.dispatch_kernels import DispatchKernels
from tqs_edge.passes.fuse_loops import FuseElementwise, FuseLoops
from tqs_edge.passes.lower import lower, lower_program, quantize
from tqs_edge.passes.lower_loops import LowerLoops


@I.ir_module
class Before:
    @T.prim_func(private=True, s_tir=True)
    def half(x: T.Buffer((2, 4), "int16"), h: T.Buffer((2, 4), "int16")):
        T.func_attr({"op_pattern": 0, "tqs.tensor": "h"})
        for i, j in T.grid(2, 4):
            with T.sblock("h"):
                vi, vj = T.axis.remap("SS", [i, j])
                h[vi, vj] = T.call_extern("int16", "f", x[vi, vj])

    @T.prim_func(private=True, s_tir=True)
    def both(
        h: T.Buffer((2, 4), "int16"), x: T.Buffer((2, 4), "int16"), y: T.Buffer((2, 4), "int16")
    ):
        T.func_attr({"op_pattern": 0, "tqs.tensor": "y"})
        for i, j in T.grid(2, 4):
            with T.sblock("y"):
                vi, vj = T.axis.remap("SS", [i, j])
                y[vi, vj] = h[vi, vj] * h[vi, vj] + x[vi, vj]

    @R.function
    def main(x: R.Tensor((2, 4), "int16")):
        cls = Before
        with R.dataflow():
            h = R.call_tir(cls.half, (x,), out_ty=R.Tensor((2, 4), "int16"))
            y = R.call_tir(cls.both, (h, x), out_ty=R.Tensor((2, 4), "int16"))
            R.output(y)
        return y


@T.prim_func(private=True, s_tir=True)
def expected(x: T.Buffer((2, 4), "int16"), y: T.Buffer((2, 4), "int16")):
    x_1 = T.decl_buffer((8,), "int16", data=x.data)
    y_1 = T.decl_buffer((8,), "int16", data=y.data)
    for i in range(8):
        h: T.let[T.int32] = T.Cast("int32", T.call_extern("int16", "f", x_1[i]))
        y_1[i] = T.Cast("int16", h) * T.Cast("int16", h) + x_1[i]


def _functions(module: tvm.IRModule) -> dict[str, tirx.PrimFunc]:
    return {
        str(f.attrs["tqs.tensor"]): f
        for f in module.functions.values()
        if isinstance(f, tirx.PrimFunc) and "tqs.view" not in f.attrs
    }


def _count(func: tirx.PrimFunc, kind: type) -> int:
    found: list[object] = []
    tvm_ffi.structural_walk(func.body, (kind, lambda node: found.append(node)))
    return len(found)


def test_a_chain_becomes_one_loop_that_computes_each_value_once() -> None:
    module = LowerLoops()(FuseLoops()(FuseElementwise()(Before)))
    (func,) = _functions(module).values()
    loop, expected_loop = func.body.seq[-1], expected.body.seq[-1]
    tvm.ir.assert_structural_equal(loop, expected_loop, map_free_vars=True)


def test_fusing_twice_changes_nothing() -> None:
    once = FuseLoops()(FuseElementwise()(Before))
    tvm.ir.assert_structural_equal(FuseElementwise()(once), once)


def test_the_gates_of_a_gru_are_one_loop_over_the_units() -> None:
    case = make_case(gru())
    functions = _functions(lower(case.module, case.program))
    assert sorted(functions) == ["cell_hh", "cell_ih", "h_next", "head", "y"]
    assert _count(functions["h_next"], tirx.For) == 1
    assert str(functions["h_next"].script()).count("tqs_tanh_q15") == 1


def test_a_slice_of_a_slice_is_read_in_the_loop_of_its_consumer() -> None:
    program = program_of(
        (3, 8),
        16,
        {"row": (1, 8), "part": (1, 4), "bent": (1, 4)},
        SliceOp("row", "v", -2, 1, 2),
        SliceOp("part", "row", -1, 2, 6),
        LutOp("bent", "part", "tanh", 15),
    )
    functions = _functions(lower_program(program))
    assert sorted(functions) == ["v", "y"]
    assert _count(functions["y"], tirx.For) == 1


def test_a_sum_that_is_sliced_is_made_once_and_apart() -> None:
    case = make_case(lstm())
    functions = _functions(lower(case.module, case.program))
    assert "gates" in functions
    assert _count(functions["gates"], tirx.For) == 1


def test_what_makes_a_sliced_value_is_one_loop() -> None:
    program = program_of(
        (1, 8),
        16,
        {"bent": (1, 8), "twice": (1, 8), "part": (1, 4), "again": (1, 4)},
        LutOp("bent", "v", "tanh", 15),
        LutOp("twice", "bent", "tanh", 15),
        SliceOp("part", "twice", -1, 2, 6),
        LutOp("again", "part", "sigmoid", 15),
    )
    functions = _functions(lower_program(program))
    assert sorted(functions) == ["twice", "y"]
    assert _count(functions["twice"], tirx.For) == _count(functions["y"], tirx.For) == 1


def test_kernel_calls_are_left_alone() -> None:
    case = make_case(gru())
    module = DispatchKernels()(quantize(case.module, case.program))
    before = _functions(module)["cell_ih"]
    after = _functions(FuseLoops()(FuseElementwise()(module)))["cell_ih"]
    tvm.ir.assert_structural_equal(after, before)


def test_every_phase_can_be_dumped(tmp_path) -> None:
    case = make_case(gru())
    lower(case.module, case.program, dump_dir=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["0_quantize.py", "1_dispatch.py", "2_fuse.py", "3_loops.py"]
