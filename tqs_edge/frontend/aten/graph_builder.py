"""The graph of a rewritten step while it is built: calls, each made once, and constants."""

from __future__ import annotations

from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch._subclasses.fake_tensor import FakeTensorMode

from tqs_edge.frontend.aten.values import Constant


class GraphBuilder:
    """A torch.fx graph whose calls are made once and whose constants are placeholders.

    meta: what is written on every new call, the layer that it comes from.
    """

    def __init__(self, example: torch.Tensor) -> None:
        self.graph = torch.fx.Graph()
        self.fake_mode = detect_fake_mode([example]) or FakeTensorMode()
        self.meta: dict[str, Any] = {}
        self.constants: dict[torch.fx.Node, Constant] = {}
        self._placed: dict[int, torch.fx.Node] = {}
        self._calls: dict[Any, torch.fx.Node] = {}
        self._paths: dict[str, list[torch.fx.Node]] = {}

    def call(self, target: Any, *args: Any) -> torch.fx.Node:
        """A call of `target`, or the earlier one with the same arguments; constants are placed."""
        placed = tuple(self._place(arg) for arg in args)
        key = (target, placed)
        if key in self._calls:
            return self._calls[key]
        plain = tuple(_as_lists(arg) for arg in placed)
        node = self.graph.call_function(target, plain)
        fakes = torch.fx.map_arg(plain, lambda n: n.meta["val"])
        with self.fake_mode:
            node.meta = {**self.meta, "val": target(*fakes).contiguous()}
        self._calls[key] = node
        return node

    def _place(self, arg: Any) -> Any:
        if isinstance(arg, list | tuple):
            return tuple(self._place(part) for part in arg)
        return self.placed(arg) if isinstance(arg, Constant) else arg

    def placed(self, constant: Constant) -> torch.fx.Node:
        """The placeholder of a constant; equal values under one path share it."""
        if id(constant.value) in self._placed:
            return self._placed[id(constant.value)]
        for node in self._paths.setdefault(constant.path, []):
            if torch.equal(self.constants[node].value, constant.value):
                return node
        first = next(iter(self.graph.nodes), None)
        with self.graph.inserting_before(first) if first else self.graph.inserting_after():
            node = self.graph.placeholder(f"c{len(self.constants)}")
        value = constant.value.detach().contiguous()
        node.meta = {"val": self.fake_mode.from_tensor(value, static_shapes=True)}
        self._paths[constant.path].append(node)
        self._placed[id(constant.value)] = node
        self.constants[node] = constant
        return node

    def read_constants(self) -> dict[torch.fx.Node, tuple[str, torch.Tensor]]:
        """Placeholder -> (path, value) of the constants that the graph still has.

        Different values that were made from one parameter are numbered: w, w_2.
        """
        left, named = set(self.graph.nodes), {}
        for path, nodes in self._paths.items():
            kept = [node for node in nodes if node in left]
            for count, node in enumerate(kept, start=1):
                own = path if count == 1 else f"{path}_{count}"
                named[node] = (own, self.constants[node].value.detach().contiguous())
        return named


def _as_lists(arg: Any) -> Any:
    return [_as_lists(part) for part in arg] if isinstance(arg, tuple) else arg
