"""RNN, GRU and LSTM of ONNX, unrolled over their sequence with the arithmetic of torch.

Weights come as `prepared_weights` lays them out: for each direction weight_ih (G, input),
weight_hh (G, hidden), bias_ih (G), bias_hh (G), gates in torch's order, so that a layer exported
from torch becomes the same graph as the layer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tqs_edge.frontend.onnx.node import OnnxNode, Operand, Operator, Result

MAX_LENGTH = 64  # steps that are unrolled
# Where torch's gates stand among ONNX's: reset, update, new; input, forget, cell, output.
GATES = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1)}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "hardsigmoid": lambda x: torch.clamp(0.2 * x + 0.5, 0.0, 1.0),
    "softsign": functional.softsign,
    "softplus": functional.softplus,
}
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
NEW = ("weight_hn", "bias_hn")  # apart where the new gate sees the state after its reset


def weight_names(node: OnnxNode) -> tuple[str, ...]:
    """What `prepared_weights` makes for each direction."""
    return (*NAMES, *NEW) if _reset_first(node) else NAMES


def prepared_weights(
    node: OnnxNode, weight: np.ndarray, recurrence: np.ndarray, bias: np.ndarray | None
) -> list[np.ndarray | None]:
    """The weights of all directions, (directions, gates * H, ...) in the file, as torch has them.

    Order: `weight_names` of the first direction, then of the second; no bias is None.
    """
    hidden, order = recurrence.shape[2], GATES[node.op]
    rows = np.concatenate([np.arange(gate * hidden, (gate + 1) * hidden) for gate in order])
    made: list[np.ndarray | None] = []
    for direction in range(weight.shape[0]):
        both = [None, None] if bias is None else np.split(bias[direction], 2)
        values = [weight[direction][rows], recurrence[direction][rows]]
        values += [None if part is None else part[rows] for part in both]
        if _reset_first(node):
            new = [None if values[i] is None else values[i][2 * hidden :] for i in (1, 3)]
            gates = [None if values[i] is None else values[i][: 2 * hidden] for i in (1, 3)]
            values = [values[0], gates[0], values[2], gates[1], *new]
        made += values
    return made


def _reset_first(node: OnnxNode) -> bool:
    """Whether the reset gate acts on the state before its product, which is ONNX's default."""
    return node.op == "GRU" and not node.get("linear_before_reset", 0)


def _run(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """(Y, Y_h[, Y_c]) from x (L, B, input), initial_h, initial_c or None, and prepared weights."""
    x, h, c, *weights = operands
    _reject(node, x)
    count = len(weight_names(node))
    directions = len(weights) // count
    hidden = weights[1].shape[1]
    zeros = x.new_zeros(directions, x.shape[1], hidden)
    h, c = (zeros if state is None else state for state in (h, c))
    activations = _activations(node, directions)
    rows, ends = [], []
    for d in range(directions):
        backwards = node.get("direction", "forward") == "reverse" or d == 1
        part = weights[count * d : count * (d + 1)]
        out, end = _direction(node, x, (h[d], c[d]), part, activations[d], backwards)
        rows.append(_stacked(out[::-1] if backwards else out, 0))
        ends.append(end)
    states = tuple(_stacked(same, 0) for same in zip(*ends, strict=True))
    every = _stacked(rows, 1)
    return (every, *(states if node.op == "LSTM" else states[:1]))


def _direction(
    node: OnnxNode,
    x: torch.Tensor,
    state: tuple[torch.Tensor, torch.Tensor],
    weights: Sequence[torch.Tensor],
    activations: Sequence[Callable[[torch.Tensor], torch.Tensor]],
    backwards: bool,
) -> tuple[list[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """(hidden state after each step in the order taken, (h, c) at the end)."""
    h, c = state
    weight_ih, weight_hh, bias_ih, bias_hh, *new = weights
    projected = functional.linear(x, weight_ih, bias_ih).unbind(0)
    outputs = []
    for gates in projected[::-1] if backwards else projected:
        if node.op == "RNN":
            h = activations[0](functional.linear(h, weight_hh, bias_hh) + gates)
        elif node.op == "GRU":
            h = _gru(gates, h, (weight_hh, bias_hh, *new), activations)
        else:
            h, c = _lstm(functional.linear(h, weight_hh, bias_hh) + gates, c, activations)
        outputs.append(h)
    return outputs, (h, c)


def _gru(
    gates: torch.Tensor, h: torch.Tensor, weights: Sequence[Any], activations: Sequence[Any]
) -> torch.Tensor:
    sigmoid, tanh = activations
    weight, bias, *new_weights = weights
    reset_x, update_x, new_x = gates.chunk(3, 1)
    product = functional.linear(h, weight, bias)
    reset_h, update_h, *new_h = product.chunk(2 if new_weights else 3, 1)
    reset, update = sigmoid(reset_h + reset_x), sigmoid(update_h + update_x)
    if new_weights:
        new = tanh(functional.linear(reset * h, *new_weights) + new_x)
    else:
        new = tanh(new_x + new_h[0] * reset)
    after: torch.Tensor = (h - new) * update + new
    return after


def _lstm(
    gates: torch.Tensor, c: torch.Tensor, activations: Sequence[Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    sigmoid, tanh, last = activations
    take_in, forget, cell, give_out = gates.chunk(4, 1)
    c = sigmoid(forget) * c + sigmoid(take_in) * tanh(cell)
    return sigmoid(give_out) * last(c), c


def _stacked(parts: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
    return parts[0].unsqueeze(axis) if len(parts) == 1 else torch.stack(list(parts), axis)


def _reject(node: OnnxNode, x: torch.Tensor) -> None:
    """Raises UnsupportedOp for what is not unrolled."""
    if x.shape[0] > MAX_LENGTH:
        raise node.unsupported(
            f"over {x.shape[0]} steps",
            f"unroll at most {MAX_LENGTH}: use the recurrent form, or a shorter window",
        )
    if node.get("layout", 0):
        raise node.unsupported("with layout=1", "export with layout=0: the sequence first")
    if node.get("clip") or node.get("input_forget", 0):
        raise node.unsupported("with clip or input_forget", "export a plain cell")


def _activations(node: OnnxNode, directions: int) -> list[list[Callable[..., torch.Tensor]]]:
    """The activations of each direction; UnsupportedOp for what torch has no name for."""
    given = node.get("activations") or DEFAULTS[node.op] * directions
    if node.get("activation_alpha") or node.get("activation_beta"):
        raise node.unsupported("with activation parameters", "use tanh and sigmoid")
    unknown = [name for name in given if name.lower() not in ACTIVATIONS]
    if unknown:
        raise node.unsupported(f"with the activation {unknown[0]}", "use tanh and sigmoid")
    count = len(given) // directions
    functions = [ACTIVATIONS[name.lower()] for name in given]
    return [functions[count * d : count * (d + 1)] for d in range(directions)]


OPERATORS: dict[str, Operator] = {op: Operator(_run) for op in GATES}
