"""Import is checked, not trusted: Relax and graph must compute what the original computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import tvm
from tvm import relax

from tqs_edge.errors import ImportMismatch
from tqs_edge.graph.evaluate import step as graph_step
from tqs_edge.graph.graph import Graph
from tqs_edge.graph.rollout import float_constants
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel

Tensors = tuple[torch.Tensor, ...]
Step = Callable[..., Tensors]

TOLERANCE = 1e-5  # relative to the largest value of a tensor, at least 1: float32 reordering
RANDOM_STEPS = 4
ROLLOUT_STEPS = 8


def check_import(model: RolloutModel, module: tvm.IRModule, step: Step) -> None:
    """Raises ImportMismatch naming the first tensor that differs from the original step.

    Runs the canonical Relax module in TVM's virtual machine and the graph in its evaluator, on
    random inputs and along a rollout, and compares the output and every new state.
    """
    executors = (("Relax module", relax_step(module, model.graph)), ("graph", _graph(model.graph)))
    generator = torch.Generator().manual_seed(0)
    inputs = _random_inputs(model.graph, generator)
    for call in range(RANDOM_STEPS + ROLLOUT_STEPS):
        want = step(*inputs)
        for executor, run in executors:
            _compare(model.graph, call, executor, run(*inputs), want)
        if call < RANDOM_STEPS - 1 or not all(torch.isfinite(value).all() for value in want):
            inputs = _random_inputs(model.graph, generator)
        else:
            inputs = _next_inputs(model, inputs, want, generator)


def relax_step(module: tvm.IRModule, graph: Graph) -> Step:
    """The module's main as a function of torch tensors, compiled for this machine by LLVM.

    Unoptimised: a few steps run, and LLVM's optimisation takes three quarters of compiling.
    """
    target = tvm.target.Target({"kind": "llvm", "opt-level": 0})
    executable = tvm.compile(module, target=target)
    machine = relax.VirtualMachine(executable, tvm.cpu())
    paths = [str(path) for path in module["main"].attrs["constants"]]
    constants = [tvm.runtime.tensor(np.ascontiguousarray(graph.constants[path])) for path in paths]

    def run(*tensors: torch.Tensor) -> Tensors:
        arguments = [tvm.runtime.tensor(t.detach().contiguous().numpy()) for t in tensors]
        return tuple(torch.from_numpy(o.numpy()) for o in machine["main"](*arguments, *constants))

    return run


def _graph(graph: Graph) -> Step:
    weight = float_constants(graph)
    names = _input_names(graph)

    def run(*tensors: torch.Tensor) -> Tensors:
        values = graph_step(graph, dict(zip(names, tensors, strict=True)), weight=weight)
        return tuple(values[name] for name in _output_names(graph))

    return run


def _compare(graph: Graph, call: int, executor: str, got: Tensors, want: Tensors) -> None:
    for name, g, w in zip(_output_names(graph), got, want, strict=True):
        error = float((g - w).abs().max()) if w.numel() else 0.0
        if not error <= TOLERANCE * max(1.0, float(w.abs().max())):
            raise ImportMismatch(
                f"the imported {executor} differs from the original model in tensor '{name}' at "
                f"step {call} by {error:.2e}; this is a bug of the import, please report the model"
            )


def _input_names(graph: Graph) -> Sequence[str]:
    exog = () if graph.exog is None else (graph.exog,)
    return (graph.input, *exog, *(state.name for state in graph.states))


def _output_names(graph: Graph) -> Sequence[str]:
    return (graph.output, *(state.update for state in graph.states))


def _random_inputs(graph: Graph, generator: torch.Generator) -> Tensors:
    return tuple(
        torch.randn(graph.shapes[name], generator=generator) for name in _input_names(graph)
    )


def _next_inputs(
    model: RolloutModel, inputs: Tensors, outputs: Tensors, generator: torch.Generator
) -> Tensors:
    """The inputs of the next rollout step: output fed back, states kept, exog drawn anew."""
    x = outputs[0]
    if model.form is RolloutForm.WINDOWED:
        x = torch.cat([inputs[0], x], dim=1)[:, -model.length :]
    exog = [torch.randn(t.shape, generator=generator) for t in inputs[1:][: int(model.exog > 0)]]
    return (x, *exog, *outputs[1:])
