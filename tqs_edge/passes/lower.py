"""The ordered pass list: float Relax to lowered integer loops and kernel calls."""

from __future__ import annotations

from pathlib import Path

import tvm
from tvm import relax

from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.dispatch_kernels import DispatchKernels
from tqs_edge.passes.fuse_loops import FuseElementwise, FuseLoops
from tqs_edge.passes.lower_loops import LowerLoops
from tqs_edge.passes.quantize_sites import QuantizeSites, check_agreement, integer_module

Phase = tuple[str, tuple[tvm.ir.transform.Pass, ...]]


def lower(
    module: tvm.IRModule, program: IntegerProgram, *, dump_dir: Path | None = None
) -> tvm.IRModule:
    """The step as Relax calls of lowered integer PrimFuncs, ready for codegen.emit.

    module: the canonical float module. dump_dir: where the IR after every phase is written, as
    TVMScript. Raises InputError or UnsupportedOp where module and program disagree.
    """
    check_agreement(module, program)
    phases: tuple[Phase, ...] = (
        # The program's decisions replace every float operation; no float is left after this.
        ("quantize", (QuantizeSites(program), relax.transform.DeadCodeElimination())),
        *_integer_phases(),
    )
    for number, (name, passes) in enumerate(phases):
        module = tvm.ir.transform.Sequential(list(passes))(module)
        if dump_dir is not None:
            dump_dir.mkdir(parents=True, exist_ok=True)
            text = module.script(show_meta=False) + "\n"
            (dump_dir / f"{number}_{name}.py").write_text(text, encoding="utf-8")
    return module


def lower_program(program: IntegerProgram) -> tvm.IRModule:
    """`lower` for a program that has no float module beside it, as those of tqs_edge.bench."""
    passes = [one for _, phase in _integer_phases() for one in phase]
    return tvm.ir.transform.Sequential(passes)(integer_module(program))


def _integer_phases() -> tuple[Phase, ...]:
    """What turns an integer step into loops and kernel calls."""
    return (
        # What C kernels and inline functions compute; weights are packed for them.
        ("dispatch", (DispatchKernels(),)),
        # One loop per elementwise chain, one variable per intermediate.
        ("fuse", (FuseElementwise(), FuseLoops())),
        # Blocks and shapes away: what is left is nearly C.
        ("loops", (LowerLoops(),)),
    )


def quantize(module: tvm.IRModule, program: IntegerProgram) -> tvm.IRModule:
    """The integer step as pure TIR, without C kernels: what passes.host_executor runs.

    Raises InputError or UnsupportedOp where module and program disagree.
    """
    check_agreement(module, program)
    return tvm.ir.transform.Sequential([QuantizeSites(program)])(module)
