"""What the tests of the rewrites share: a function exported, rewritten and run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch import nn

from tests.frontend import models
from tqs_edge.frontend.aten.rewrite_step import rewrite_step
from tqs_edge.frontend.obstacles import find_obstacles


class Expression(nn.Module):
    """A function, and modules that it uses so that their weights have paths."""

    def __init__(self, function: Callable, *modules: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, *inputs):
        return self.function(*self.parts, *inputs)


def rewritten(module: nn.Module, *inputs: torch.Tensor) -> torch.export.ExportedProgram:
    """The rewritten step of a module, which must compute what the module computes."""
    program = rewrite_step(models.export(module, inputs))
    assert not (found := find_obstacles(program)), [str(obstacle) for obstacle in found]
    with torch.no_grad():
        got, want = program.module()(*inputs), module(*inputs)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    return program


def operations(program: torch.export.ExportedProgram) -> Counter[str]:
    """How often each operation occurs: "dense", "permute", ..., a function by its own name."""
    names = []
    for node in program.graph.nodes:
        if node.op == "call_function":
            name = node.target.overloadpacket.__name__
            names.append(node.args[1] if name == "function" else name)
    return Counter(names)


def check(function: Callable, *inputs: torch.Tensor, parts: tuple = ()) -> Counter[str]:
    """The operations that a function becomes; its results must stay the same."""
    return operations(rewritten(Expression(function, *parts).eval(), *inputs))
