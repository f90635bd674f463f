"""Runs the integer module on the host through TVM's LLVM: no C kernel takes part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tvm
from tvm import relax

from tqs_edge.errors import InputError
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel
from tqs_edge.graph.time_loop import calls_of
from tqs_edge.integer.program import IntegerProgram
from tqs_edge.passes.integer_ops import dtype_of

Step = Callable[..., Any]


def run_llvm(
    module: tvm.IRModule,
    program: IntegerProgram,
    model: RolloutModel,
    contexts: np.ndarray,
    *,
    horizon: int,
    exog: np.ndarray | None = None,
) -> np.ndarray:
    """Frames (contexts, horizon, F) int16 of rollouts from int16 contexts (contexts, rows, F).

    module: what QuantizeSites made. exog: int16 (contexts, calls, E), row t for call t. Raises
    InputError where contexts or exog are too short.
    """
    _check(program, model, contexts, horizon, exog)
    step = compile_step(module)
    frames = [
        _rollout(step, program, model, context, horizon, None if exog is None else exog[i])
        for i, context in enumerate(contexts)
    ]
    return np.stack(frames) if frames else np.zeros((0, horizon, model.features), np.int16)


def compile_step(module: tvm.IRModule) -> Step:
    """The step as a function of TVM tensors, (x, [exog], state...) -> [y, state...]."""
    executable = tvm.compile(module, target="llvm")
    step: Step = relax.VirtualMachine(executable, tvm.cpu())["main"]
    return step


def _check(
    program: IntegerProgram,
    model: RolloutModel,
    contexts: np.ndarray,
    horizon: int,
    exog: np.ndarray | None,
) -> None:
    rows = model.length if model.form is RolloutForm.WINDOWED else 1
    if contexts.ndim != 3 or contexts.shape[1] < rows or contexts.shape[2] != model.features:
        raise InputError(
            f"contexts of shape {contexts.shape}; give (contexts, rows >= {rows}, {model.features})"
        )
    if (program.exog is None) != (exog is None):
        raise InputError("exogenous rows are given exactly where the model reads them")
    calls = calls_of(model, contexts.shape[1], horizon)
    if exog is not None and (exog.shape[1] < calls or len(exog) != len(contexts)):
        raise InputError(f"exog of shape {exog.shape}; this rollout makes {calls} calls")


def _rollout(
    step: Step,
    program: IntegerProgram,
    model: RolloutModel,
    context: np.ndarray,
    horizon: int,
    exog: np.ndarray | None,
) -> np.ndarray:
    """Every call reads the `length` newest rows; once the context is used up, K are appended.

    Before a recurrent model's context there are zeros; its first calls end `length` rows apart.
    """
    states = _initial_states(program)
    outside = _exog_tensors(program, exog)
    rows = np.concatenate([np.zeros((model.length, model.features)), context]).astype(np.int16)
    end = len(rows)
    if model.form is not RolloutForm.WINDOWED:
        end -= (len(context) - 1) // model.length * model.length
    begin, call = len(rows), 0
    while len(rows) < begin + horizon:
        x = _tensor(program, program.input, rows[end - model.length : end])
        y, *states = step(x, *outside[call : call + 1], *states)
        if end == len(rows):
            rows = np.concatenate([rows, y.numpy().reshape(model.block, model.features)])
        end = min(end + model.length, len(rows))
        call += 1
    return rows[begin : begin + horizon]


def _initial_states(program: IntegerProgram) -> list[tvm.runtime.Tensor]:
    """A rollout starts from zeros."""
    tensors = [program.tensors[state.name] for state in program.states]
    return [tvm.runtime.tensor(np.full(t.shape, -t.zero_point, dtype_of(t))) for t in tensors]


def _exog_tensors(program: IntegerProgram, exog: np.ndarray | None) -> list[tvm.runtime.Tensor]:
    if program.exog is None or exog is None:
        return []
    return [_tensor(program, program.exog, row) for row in exog]


def _tensor(program: IntegerProgram, name: str, values: np.ndarray) -> tvm.runtime.Tensor:
    tensor = program.tensors[name]
    return tvm.runtime.tensor(np.ascontiguousarray(values, dtype_of(tensor)).reshape(tensor.shape))
