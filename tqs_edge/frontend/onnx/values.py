"""The values of an ONNX graph while it is imported: constants with their paths, examples, uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from tqs_edge.frontend.onnx.paths import ROLES, clean_path, is_anonymous


@dataclass(eq=False)
class Values:
    """What is known so far.

    known: constants by name. examples: tensors of the step, for their shapes. unknown: names of
    values behind an obstacle. origin: (initializer, whether transposed) of what is one in another
    layout. parameters: constants that the step reads, by path. uses: how often a value is read.
    """

    known: dict[str, np.ndarray]
    uses: Mapping[str, int]
    examples: dict[str, torch.Tensor] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    origin: dict[str, tuple[str, bool]] = field(default_factory=dict)
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    _taken: dict[Any, str] = field(default_factory=dict)

    def rank(self, name: str) -> int:
        """How many axes a known or example value has."""
        value = self.known[name] if name in self.known else self.examples[name]
        return int(value.ndim)

    def parameter(self, path: str, value: np.ndarray, key: object) -> str:
        """Makes a constant a parameter called `path`, or with a number; the path it got.

        key: of the constant and its layout; the same key gives the same parameter again.
        """
        if key not in self._taken:
            name, count = path, 1
            while name in self.parameters:
                count += 1
                name = f"{path}_{count}"
            self.parameters[name] = value
            self._taken[key] = name
        return self._taken[key]

    def constant(self, name: str, op: str, position: int, scope: str) -> str:
        """The path of the parameter for a constant as it stands, operand `position` of an `op`."""
        roles = ROLES.get(op, ())
        path = clean_path(name)
        if is_anonymous(name) and scope and position < len(roles):
            path = clean_path(f"{scope}.{roles[position]}")
        return self.parameter(path, self.known[name], name)

    def weight(self, name: str, wanted: str, *, depth_first: bool, factor: float = 1.0) -> str:
        """The path of the parameter (rows, depth) for a matrix that may be held as (depth, rows).

        A matrix that the file holds as (depth, rows) is called "W.T", but one that an exporter
        transposed and numbered is called as `wanted`, if that says anything.
        """
        base, transposed = self.origin.get(name, (name, False))
        turned = depth_first ^ transposed
        path = clean_path(base) + (".T" if turned else "")
        if is_anonymous(base):
            path = clean_path(wanted or base)
        value = self.known[name].T if depth_first else self.known[name]
        return self.parameter(path, value * np.float32(factor), (base, turned, factor))


def use_counts(graph: Any) -> Counter[str]:
    """How often each value of a graph is read, its outputs included."""
    counts = Counter(name for node in graph.node for name in node.input if name)
    counts.update(output.name for output in graph.output)
    return counts
