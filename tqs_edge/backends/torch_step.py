"""A torch step as a pure function of its weights and its inputs, exported or live."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.export.passes import move_to_device_pass
from torch.func import functional_call
from torch.utils import _pytree as pytree

from tqs_edge.errors import InputError
from tqs_edge.frontend.signature import StepSignature, order_inputs, read_signature, tensor_shape
from tqs_edge.frontend.step_program import constants_by_placeholder, decompose, reject_bad_values

Tensors = tuple[torch.Tensor, ...]


class TorchStep(Protocol):
    """(replaced parameters by path; (x, exog, *states)) -> (y, *states), all of one rollout."""

    @property
    def parameters(self) -> Mapping[str, torch.Tensor]: ...

    def __call__(self, replaced: Mapping[str, torch.Tensor], inputs: Tensors) -> Tensors: ...


@dataclass(frozen=True, eq=False)
class ProgramStep:
    """An exported program in core ATen operations, which vmap has rules for.

    arguments: for each placeholder of `graph` a path in `constants` or a position of an input
    """

    graph: torch.nn.Module
    arguments: tuple[str | int, ...]
    constants: Mapping[str, torch.Tensor]
    parameters: Mapping[str, torch.Tensor]

    def __call__(self, replaced: Mapping[str, torch.Tensor], inputs: Tensors) -> Tensors:
        values = {**self.constants, **replaced}
        given = (inputs[a] if isinstance(a, int) else values[a] for a in self.arguments)
        return tuple(self.graph(*given))


@dataclass(frozen=True, eq=False)
class ModuleStep:
    """A live module, for what torch.export cannot capture.

    spec: how forward() nests its tensors; positions: where the i-th input stands among them
    """

    module: torch.nn.Module
    spec: pytree.TreeSpec
    positions: tuple[int, ...]

    @property
    def parameters(self) -> Mapping[str, torch.Tensor]:
        return {path: value.detach() for path, value in self.module.named_parameters()}

    def __call__(self, replaced: Mapping[str, torch.Tensor], inputs: Tensors) -> Tensors:
        placed = dict(zip(self.positions, inputs, strict=True))
        args = pytree.tree_unflatten([placed[i] for i in range(len(inputs))], self.spec)
        return tuple(pytree.tree_leaves(functional_call(self.module, dict(replaced), args)))


def program_step(
    program: ExportedProgram, device: torch.device
) -> tuple[ProgramStep, StepSignature]:
    """The step of an exported program on `device`. Raises InputError for its signature or values.

    A parameter that is used untransposed (x @ W) is "W.T", so that all are (rows, depth).
    """
    program = decompose(program)
    signature = read_signature(program)
    constants = constants_by_placeholder(program)
    kinds = {spec.arg.name: spec.kind for spec in program.graph_signature.input_specs}
    parameters: dict[str, torch.Tensor] = {}
    for name, (path, value) in constants.items():
        if kinds[name] is InputKind.PARAMETER:
            reject_bad_values(path, value)
            parameters[path] = value
    placeholders = [node.name for node in program.graph.find_nodes(op="placeholder")]
    arguments = tuple(
        constants[name][0] if name in constants else signature.placeholders.index(name)
        for name in placeholders
    )
    if device.type != "cpu":
        program = move_to_device_pass(program, device)
    values = {path: value.to(device) for path, value in constants.values()}
    return ProgramStep(_plain(program), arguments, values, parameters), signature


def _plain(program: ExportedProgram) -> torch.fx.GraphModule:
    """The program's operations without its tracer, which does not pickle."""
    graph, values = torch.fx.Graph(), dict[torch.fx.Node, torch.fx.Node]()
    graph.output(graph.graph_copy(program.graph, values))
    return torch.fx.GraphModule(program.graph_module, graph)


def module_step(
    module: torch.nn.Module, inputs: tuple[Any, ...], label: str, device: torch.device
) -> tuple[ModuleStep, StepSignature]:
    """The step of a live module on `device`, its signature as `inputs` and a first run show it.

    Raises InputError where that run fails and for the signature or values.
    """
    try:
        bound = inspect.signature(module.forward).bind(*inputs).arguments
        with torch.no_grad():
            outputs = pytree.tree_leaves(module(*inputs))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [repr(error)])[0]
        raise InputError(f"'{label}' fails on its example inputs: {reason}") from error
    named = dict(_named_leaves(bound))
    shapes = {name: tensor_shape(f"input '{name}'", value) for name, value in named.items()}
    results = [tensor_shape(f"output {i}", value) for i, value in enumerate(outputs)]
    signature = order_inputs(tuple(named), shapes, results)
    for path, value in module.named_parameters():
        reject_bad_values(path, value)
    spec = pytree.tree_structure(inputs)
    return ModuleStep(module.to(device), spec, signature.positions), signature


def _named_leaves(arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(name, tensor) of all arguments; those of a tuple `state` are state_0, state_1, ..."""
    named: list[tuple[str, Any]] = []
    for name, value in arguments.items():
        if isinstance(value, torch.Tensor):
            named.append((name, value))
        else:
            named += [(f"{name}_{i}", leaf) for i, leaf in enumerate(pytree.tree_leaves(value))]
    return named
