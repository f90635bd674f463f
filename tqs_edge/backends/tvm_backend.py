"""A step compiled by TVM as a black box: fused kernels for this machine, weights as arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import tvm
from torch.export import ExportedProgram
from tvm import relax

from tqs_edge.backends.black_box import (
    BatchedStep,
    BlackBox,
    Tensors,
    black_box,
    one_by_one,
    random_inputs,
    same_values,
)
from tqs_edge.errors import ImportMismatch, InputError
from tqs_edge.frontend.importer import import_step
from tqs_edge.frontend.named_step import NamedStep
from tqs_edge.frontend.signature import StepSignature, read_signature
from tqs_edge.frontend.source import export_step
from tqs_edge.frontend.step_program import decompose, reject_bad_constants
from tqs_edge.graph.rollout_model import RolloutForm

TARGET = "llvm"
CHECKS = 4  # random inputs on which the compiled step must agree with torch


@dataclass(frozen=True, eq=False)
class TvmRunner:
    """A `StepRunner` in TVM's virtual machine; it cannot leave the process.

    main: the compiled step, main(x, exog, *states, *constants) -> (y, *states)
    constants: by path, in the order of main's parameters
    kernels: names of the compiled functions, one for each group of fused operations
    """

    main: Callable[..., Any]
    constants: Mapping[str, torch.Tensor]
    kernels: tuple[str, ...]

    def bind(self, weights: Mapping[str, torch.Tensor], variants: int) -> BatchedStep:
        """See `StepRunner.bind`."""
        return one_by_one(
            [
                self._step({path: value[v] for path, value in weights.items()})
                for v in range(variants if weights else 1)
            ]
        )

    def _step(self, replaced: Mapping[str, torch.Tensor]) -> Callable[[Tensors], Tensors]:
        constants = {**self.constants, **{k: _aligned(v) for k, v in replaced.items()}}.values()
        return lambda tensors: tuple(self.main(*map(_aligned, tensors), *constants))

    def __reduce__(self) -> Any:
        raise InputError(
            "a step compiled by TVM cannot leave its process; score with --backend torch to use "
            "several processes"
        )


def tvm_backend(named: NamedStep, form: RolloutForm | None = None) -> BlackBox:
    """The step that the user named as a black box that TVM compiled.

    Its weights are the matrices among the parameters, under the names of the compiler's graph.
    Raises InputError for the signature, the values and operations that TVM cannot import,
    ImportMismatch where the compiled step does not compute what the torch step computes.
    """
    source = export_step(named)
    program = decompose(source.program)
    _slice_selects(program)
    signature = read_signature(program)
    reject_bad_constants(program)
    module, constants = _import(program, signature, named.label)
    fused = fuse(module)
    machine = relax.VirtualMachine(tvm.compile(fused, target=TARGET), tvm.cpu())
    paths = [str(path) for path in module["main"].attrs["constants"]]
    runner = TvmRunner(
        main=machine["main"],
        constants={path: _aligned(torch.from_numpy(constants[path])) for path in paths},
        kernels=tuple(sorted(v.name_hint for v in fused.get_global_vars())),
    )
    _check(runner, signature, source.call, named.label)
    weights = {
        path: constants[path]
        for path in paths
        if constants[path].ndim == 2 and constants[path].dtype == np.float32
    }
    return black_box("tvm", named.label, signature, form or named.form, weights, runner)


def fuse(module: tvm.IRModule) -> tvm.IRModule:
    """The module with its operations as loops, neighbours fused into one function each."""
    passes = tvm.ir.transform.Sequential(
        [
            relax.transform.LegalizeOps(),
            relax.transform.AnnotateTIROpPattern(),
            relax.transform.FuseOps(),
            relax.transform.FuseTIR(),
            relax.transform.DeadCodeElimination(),
        ]
    )
    with tvm.target.Target(TARGET):
        return passes(module)


def _slice_selects(program: ExportedProgram) -> None:
    """x.select(axis, i) as a slice without its axis, in place.

    TVM 0.27 imports a select as a gather that checks no bounds, and warns of it at every compile.
    """
    aten = torch.ops.aten
    for node in program.graph.find_nodes(op="call_function", target=aten.select.int):
        source, axis, index = node.args
        axis %= source.meta["val"].ndim
        with program.graph.inserting_before(node):
            row = program.graph.call_function(aten.slice.Tensor, (source, axis, index, index + 1))
        row.meta["val"] = node.meta["val"].unsqueeze(axis)
        node.target, node.args = aten.squeeze.dims, (row, [axis])  # its name may be an output's
    program.graph_module.recompile()


def _aligned(value: torch.Tensor) -> torch.Tensor:
    """A copy in torch's own memory, aligned to 64 bytes: what compiled vector loads assume."""
    return value.clone(memory_format=torch.contiguous_format)


def _import(
    program: ExportedProgram, signature: StepSignature, label: str
) -> tuple[tvm.IRModule, dict[str, np.ndarray]]:
    try:
        return import_step(program, signature)
    except Exception as error:  # the importer asserts, raises ValueError or passes TVM's errors on
        reason = (str(error).strip().splitlines() or [repr(error)])[0]
        raise InputError(
            f"TVM cannot import '{label}': {reason}; score it with --backend torch"
        ) from error


def _check(
    runner: TvmRunner, signature: StepSignature, call: Callable[..., Tensors], label: str
) -> None:
    """Raises ImportMismatch unless the compiled step computes what the torch step computes."""
    inputs = random_inputs(signature, 1, CHECKS)
    got = runner.bind({}, 1)(inputs)
    for i in range(CHECKS):
        placed = dict(zip(signature.positions, (value[0, i] for value in inputs), strict=True))
        want = call(*(placed[position] for position in range(len(placed))))
        if not same_values(tuple(value[0, i] for value in got), want):
            raise ImportMismatch(
                f"'{label}' compiled by TVM differs from the torch model; this is a bug of the "
                "import, please report the model and score it with --backend torch"
            )
