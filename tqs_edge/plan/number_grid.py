"""All weights and biases of a plan as one vector in units of their grids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tqs_edge.backends.graph_backend import GraphBackend
from tqs_edge.graph.graph import Graph
from tqs_edge.plan.bit_plan import BitPlan, FittedWeight
from tqs_edge.quant.scheme import integer_limits, quantize_rows
from tqs_edge.sensitivity.responses import Parameter, parameters_of

MOST_SCALE_CHANGE = 0.25  # relative, in one step


@dataclass(frozen=True, eq=False)
class NumberGrid:
    """Where every number stands: z (n,) times unit (n,), weights first, then biases.

    target: the float model (n,) in units of the grid; low, high: limits of z, infinite for biases;
    row: index of the row (over all weights) of each weight number; reach: largest integer of each
    row
    """

    parameters: tuple[Parameter, ...]
    z: np.ndarray
    unit: np.ndarray
    target: np.ndarray
    low: np.ndarray
    high: np.ndarray
    row: np.ndarray
    reach: np.ndarray

    @property
    def weight_count(self) -> int:
        """Weights in the vector."""
        return len(self.row)

    def values(self) -> dict[str, np.ndarray]:
        """Every tensor by path, float64."""
        return self._split(self.z * self.unit)

    def scaled(self, responses: np.ndarray) -> np.ndarray:
        """Responses (n, M) for each step of the grid instead of each unit of value."""
        return np.asarray(responses * self.unit[:, None])

    def with_scales(self, responses: np.ndarray) -> np.ndarray:
        """`scaled` with one more entry a row (n + rows, M): the row's scale, in units in which its
        largest integer moves by one."""
        scaled = self.scaled(responses)
        weights = scaled[: self.weight_count] * self.z[: self.weight_count, None]
        starts = np.searchsorted(self.row, np.arange(len(self.reach)))
        rows = np.add.reduceat(weights, starts, axis=0)
        return np.concatenate([scaled, rows / self.reach[:, None]])

    def step_target(self, step: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Target and limits (n + rows,) for a step of `with_scales` from here."""
        zero, free = np.zeros(len(self.reach)), np.full(len(self.reach), np.inf)
        return (
            np.concatenate([self.z, zero]) + step,
            np.concatenate([self.low, -free]),
            np.concatenate([self.high, free]),
        )

    def moved(self, z: np.ndarray) -> NumberGrid:
        """The grid at z (n,), or at z and changed scales (n + rows,)."""
        scales = z[len(self.z) :]
        if not len(scales):
            return replace(self, z=z)
        change = np.clip(scales / self.reach, -MOST_SCALE_CHANGE, MOST_SCALE_CHANGE)
        unit = self.unit.copy()
        unit[: self.weight_count] *= 1.0 + change[self.row]
        target = self.target * self.unit / unit
        return replace(self, z=z[: len(self.z)], unit=unit, target=target)

    def planned(self, plan: BitPlan) -> BitPlan:
        """`plan` with these integers, scales and biases."""
        z, unit, values = self._split(self.z), self._split(self.unit), self.values()
        fitted, biases = {}, {}
        for parameter in self.parameters:
            path = parameter.path
            if len(parameter.shape) == 1:
                biases[path] = values[path].astype(np.float32)
            else:
                fitted[path] = FittedWeight(z[path].astype(np.int16), unit[path][:, 0].copy())
        return replace(plan, fitted=fitted, biases=biases)

    def _split(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        ends = np.cumsum([parameter.size for parameter in self.parameters])[:-1]
        parts = zip(self.parameters, np.split(vector, ends), strict=True)
        return {parameter.path: part.reshape(parameter.shape) for parameter, part in parts}


def nearest_grid(graph: Graph, plan: BitPlan, backend: GraphBackend) -> NumberGrid:
    """Every weight at its nearest integer, every bias as it is."""
    parameters = parameters_of(backend)
    weights = [p for p in parameters if len(p.shape) == 2]
    rows = [_nearest_rows(graph.constants, plan, p) for p in weights]
    z, unit, low, high = (np.concatenate(part) for part in zip(*rows, strict=True))
    depth = np.concatenate([np.full(p.shape[0], p.shape[1]) for p in weights])
    row = np.repeat(np.arange(len(depth)), depth)
    starts = np.searchsorted(row, np.arange(len(depth)))
    free = sum(p.size for p in parameters) - len(row)
    step = float(np.median(unit))  # a bias has no grid; in these units it weighs like a weight
    unit = np.concatenate([unit, np.full(free, step)])
    exact = np.concatenate([graph.constants[p.path].astype(np.float64).ravel() for p in parameters])
    target = exact / unit
    return NumberGrid(
        parameters=parameters,
        z=np.concatenate([z, target[len(row) :]]),
        unit=unit,
        target=target,
        low=np.concatenate([low, np.full(free, -np.inf)]),
        high=np.concatenate([high, np.full(free, np.inf)]),
        row=row,
        reach=-low[starts],
    )


def _nearest_rows(
    constants: Mapping[str, np.ndarray], plan: BitPlan, parameter: Parameter
) -> tuple[np.ndarray, ...]:
    """Integers, units and limits of a weight's numbers, (rows * depth,) each."""
    weight = constants[parameter.path]
    parts = []
    for block in plan.weights[parameter.path]:
        q, scale = quantize_rows(weight[block.begin : block.end], block.bits)
        limits = integer_limits(block.bits)
        columns = (scale, *(np.full(len(q), float(limit)) for limit in limits))
        unit, low, high = (np.repeat(column, q.shape[1]) for column in columns)
        parts.append((q.astype(np.float64).ravel(), unit, low, high))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))
