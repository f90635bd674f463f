"""Parts of a made-up step: a graph in the making, and the operations that all its parts use."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from tqs_edge.graph.graph import Node, Op, StateVariable

INPUTS = 96  # elements of x, of which parts read slices
REACH = 4.0  # of x


@dataclass
class Samples:
    """A graph in the making; every part ends in a state of its own, so none is left out."""

    rng: np.random.Generator
    nodes: list[Node] = field(default_factory=list)
    states: list[StateVariable] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    ranges: dict[str, float] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    narrow: set[str] = field(default_factory=set)
    coarse: set[str] = field(default_factory=set)  # weights of 2 bits
    taken: dict[int, set[int]] = field(default_factory=dict)  # begins of pieces by length

    def node(
        self, op: Op, inputs: tuple[str, ...], shape: tuple[int, ...], reach: float, **rest: Any
    ) -> str:
        """The name of a new node of values up to `reach`."""
        name = f"v{len(self.nodes)}"
        self.nodes.append(Node(name, op, inputs, shape, **rest))
        self.shapes[name], self.ranges[name] = shape, reach
        return name

    def state(self, shape: tuple[int, ...]) -> str:
        """The name of a state to be read, whose update is told later."""
        name = f"h{len(self.states)}"
        self.states.append(StateVariable(name, name, shape))
        self.shapes[name], self.ranges[name] = shape, float(self.rng.uniform(1.0, 4.0))
        return name

    def constant(self, shape: tuple[int, ...]) -> str:
        """A new constant of values around 1."""
        path = f"c{len(self.nodes)}"
        self.constants[path] = self.rng.uniform(-1.5, 1.5, shape).astype(np.float32)
        self.ranges[path] = 1.5
        return path

    def update(self, state: str, made: str, rows_of: str | None = None) -> None:
        """`made` becomes the state's next value."""
        number = int(state.removeprefix("h"))
        self.states[number] = StateVariable(state, made, self.shapes[made], rows_of)
        reach = max(self.ranges[state], self.ranges[made])
        self.ranges[state] = self.ranges[made] = reach

    def keep(self, made: str) -> None:
        """A state of its own for `made`."""
        self.update(self.state(self.shapes[made]), made)

    def piece(self, shape: tuple[int, ...]) -> str:
        """Consecutive elements of x in this shape, others each time while there are any: what reads
        the same twice is simplified."""
        count = prod(shape)
        begins = set(range(INPUTS - count + 1))
        free = begins - self.taken.setdefault(count, set()) or begins
        begin = int(self.rng.choice(sorted(free)))
        self.taken[count].add(begin)
        attrs = {"axis": -1, "begin": begin, "end": begin + count}
        name = self.node(Op.SLICE, ("x",), (1, count), REACH, attrs=attrs)
        return name if shape == (1, count) else self.node(Op.RESHAPE, (name,), shape, REACH)


def unary(samples: Samples, op: Op, x: str) -> str:
    rng, reach, attrs = samples.rng, samples.ranges[x], {}
    if op is Op.AFFINE:
        scale, offset = float(rng.choice((0.5, 1.0, -0.7, 1.9))), float(rng.choice((0.0, 0.4)))
        reach, attrs = abs(scale) * reach + offset, {"scale": scale, "offset": offset}
    elif op is Op.CLAMP:
        attrs = {"low": -0.6 * reach, "high": 0.7 * reach}
        reach *= 0.7
    elif op in (Op.TANH, Op.SIGMOID):
        reach = 1.0
    return samples.node(op, (x,), samples.shapes[x], reach, attrs=attrs)


def binary(samples: Samples, op: Op, a: str, b: str) -> str:
    both = samples.ranges[a], samples.ranges[b]
    reach = 0.7 * prod(both) if op is Op.MUL else 0.7 * sum(both)
    if op is Op.MAXIMUM:
        reach = max(both)
    return samples.node(op, (a, b), samples.shapes[a], float(np.clip(reach, 0.1, 12.0)))


def dense(samples: Samples, x: str, rows: int, *, narrow: bool) -> None:
    samples.keep(layer(samples, x, rows))
    if narrow:
        samples.narrow.add(x)


def layer(samples: Samples, x: str, rows: int) -> str:
    depth, path = samples.shapes[x][-1], f"w{len(samples.nodes)}"
    samples.constants[path] = samples.rng.normal(0, 0.3, (rows, depth)).astype(np.float32)
    samples.constants[f"{path}_bias"] = np.zeros(rows, np.float32)
    shape = (*samples.shapes[x][:-1], rows)
    names = {"weight": path, "bias": f"{path}_bias"}
    return samples.node(Op.DENSE, (x,), shape, 2.0, **names)
