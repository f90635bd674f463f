"""What the user's forward() takes and returns, read from an exported program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind

from tqs_edge.errors import InputError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class StepSignature:
    """Names and shapes of a step (input, exog, state...) -> (output, state...).

    `placeholders` are the argument names in that order; `positions[i]` is where the i-th of them
    stands in the user's own forward(), so that both orders can be called.
    """

    input: str
    exog: str | None
    states: tuple[str, ...]
    positions: tuple[int, ...]
    shapes: dict[str, Shape]
    outputs: tuple[Shape, ...]

    @property
    def placeholders(self) -> tuple[str, ...]:
        """All argument names: input, exog when there is one, states."""
        exog = () if self.exog is None else (self.exog,)
        return (self.input, *exog, *self.states)


def read_signature(program: ExportedProgram) -> StepSignature:
    """The signature of an exported step; InputError for what no rollout form allows."""
    shapes = input_shapes(program)
    return order_inputs(list(shapes), shapes, _output_shapes(program))


def input_shapes(program: ExportedProgram) -> dict[str, Shape]:
    """Name -> shape of what forward() takes; InputError for what is not a float32 tensor."""
    values = {n.name: n.meta.get("val") for n in program.graph.nodes if n.op == "placeholder"}
    names = [
        spec.arg.name
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.USER_INPUT
    ]
    if not names:
        raise InputError("forward() takes no tensor; want forward(x, *state) or forward(window)")
    return {name: tensor_shape(f"input '{name}'", values[name]) for name in names}


def order_inputs(
    names: Sequence[str], shapes: Mapping[str, Shape], outputs: Sequence[Shape]
) -> StepSignature:
    """The signature of a step whose inputs are called `names` in the order it takes them.

    Raises InputError where the input named 'exog' stands in the wrong place.
    """
    exog = "exog" if "exog" in names else None
    if exog and names.index(exog) not in (1, len(names) - 1):
        raise InputError("the input named 'exog' must come second or last in forward()")
    states = tuple(name for name in names[1:] if name != exog)
    ordered = (names[0], *((exog,) if exog else ()), *states)
    return StepSignature(
        input=names[0],
        exog=exog,
        states=states,
        positions=tuple(names.index(name) for name in ordered),
        shapes=dict(shapes),
        outputs=tuple(outputs),
    )


def _output_shapes(program: ExportedProgram) -> tuple[Shape, ...]:
    nodes = {node.name: node for node in program.graph.nodes}
    shapes: list[Shape] = []
    for spec in program.graph_signature.output_specs:
        if spec.kind is not OutputKind.USER_OUTPUT:
            raise InputError(
                f"forward() changes '{spec.target}' in place; return new states instead"
            )
        node = nodes.get(getattr(spec.arg, "name", ""))
        value = node.meta.get("val") if node is not None else None
        shapes.append(tensor_shape(f"output {len(shapes)}", value))
    return tuple(shapes)


def tensor_shape(what: str, value: object) -> Shape:
    """The shape of a float32 tensor of fixed extents; InputError names `what` for anything else."""
    if not isinstance(value, torch.Tensor):
        raise InputError(f"{what} of forward() is not a tensor; pass constants to __init__ instead")
    if any(not isinstance(extent, int) for extent in value.shape):
        raise InputError(
            f"{what} has a dynamic shape {tuple(value.shape)}; export without dynamic_shapes"
        )
    if value.dtype != torch.float32:
        raise InputError(f"{what} is {value.dtype}, want torch.float32; {_advice(value.dtype)}")
    return tuple(value.shape)


def _advice(dtype: torch.dtype) -> str:
    if dtype.is_complex:
        return "carry real and imaginary part as two float32 tensors (torch.view_as_real)"
    if dtype.is_floating_point:
        return "convert with model.float() and give float32 example inputs"
    return "pass numbers as float32; what an integer selects, look up outside the step"
