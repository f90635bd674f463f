"""A torch module that carries out an ONNX graph node by node, so that torch.export can trace it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from tqs_edge.frontend.onnx.node import OnnxNode, Operand, Result


@dataclass(frozen=True)
class Argument:
    """Where an operand comes from: a tensor of the step, a parameter, or a value known now."""

    tensor: str = ""
    parameter: str = ""
    value: Operand = None


@dataclass(frozen=True, eq=False)
class Call:
    """A node that is carried out at every step."""

    node: OnnxNode
    arguments: tuple[Argument, ...]
    run: Any


class NodeModule(nn.Module):
    """One node; its name in the module tree is what an obstacle in it is called."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def forward(self, *operands: Operand) -> Result:
        result: Result = self.call.run(self.call.node, operands)
        return result


class OnnxModule(nn.Module):
    """forward(**inputs) -> the outputs in their order; constants are parameters under their paths.

    calls: in the order of the graph. inputs: ONNX name by the name of the argument. outputs: names
    of tensors or, where an output does not depend on the inputs, the path of its parameter.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        parameters: Mapping[str, np.ndarray],
        inputs: Mapping[str, str],
        outputs: Sequence[Argument],
    ) -> None:
        super().__init__()
        self.paths: dict[str, str] = {}
        for path, value in parameters.items():
            self.paths[path] = self._add_parameter(path, value)
        self.inputs, self.outputs = dict(inputs), tuple(outputs)
        self.steps: list[tuple[Call, str]] = []
        for call in calls:
            name = _free_name(self, call.node.name.replace(".", "_") or call.node.op)
            self.add_module(name, NodeModule(call))
            self.steps.append((call, name))

    def forward(self, **inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs of the step, y and the states."""
        tensors = self.values(**inputs)
        return tuple(self._operand(argument, tensors) for argument in self.outputs)

    def values(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every tensor of the step by its name in the graph."""
        tensors = {self.inputs[name]: value for name, value in inputs.items()}
        for call, name in self.steps:
            operands = [self._operand(argument, tensors) for argument in call.arguments]
            result = self.get_submodule(name)(*operands)
            results = result if isinstance(result, tuple) else (result,)
            tensors.update(zip(call.node.outputs, results, strict=False))
        return tensors

    def _operand(self, argument: Argument, tensors: Mapping[str, torch.Tensor]) -> Operand:
        if argument.tensor:
            return tensors[argument.tensor]
        if argument.parameter:
            path = self.paths[argument.parameter]
            owner, _, leaf = path.rpartition(".")
            return getattr(self.get_submodule(owner), leaf)
        return argument.value

    def _add_parameter(self, path: str, value: np.ndarray) -> str:
        """Registers a constant, in modules of its own for the parts of its path; returns the path.

        A part that is taken, by a parameter or by torch itself, gets an underscore.
        """
        owner: nn.Module = self
        *parents, leaf = path.split(".")
        taken = []
        for part in parents:
            while hasattr(owner, part) and part not in owner._modules:
                part += "_"
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
            taken.append(part)
        leaf = _free_name(owner, leaf)
        tensor = torch.from_numpy(np.array(value, order="C"))
        if tensor.is_floating_point():
            owner.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
        else:
            owner.register_buffer(leaf, tensor)
        return ".".join([*taken, leaf])


def _free_name(owner: nn.Module, wanted: str) -> str:
    name, count = wanted, 1
    while hasattr(owner, name):
        count += 1
        name = f"{wanted}_{count}"
    return name
