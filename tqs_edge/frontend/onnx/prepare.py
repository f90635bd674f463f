"""Nodes whose weights the file holds otherwise than a dense kernel reads them: (rows, depth)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch.nn import functional

from tqs_edge.frontend.onnx.module import Argument, Call
from tqs_edge.frontend.onnx.node import OnnxNode, Operand, Result
from tqs_edge.frontend.onnx.paths import clean_path, is_anonymous
from tqs_edge.frontend.onnx.recurrent import GATES, OPERATORS, prepared_weights, weight_names
from tqs_edge.frontend.onnx.values import Values


def prepared_call(
    node: OnnxNode, scope: str, values: Values, readers: Mapping[str, Any]
) -> Call | None:
    """The node with its weights as parameters of torch's layout, or None where none are to change.

    readers: the node that reads a value, for values that one node reads. A bias that is added to a
    product becomes part of it: the call's node then has the outputs of the addition.
    """
    if node.op in GATES:
        return _recurrent(node, scope, values)
    if node.op not in ("MatMul", "Gemm"):
        return None
    left, right = node.inputs[:2]
    if _is_matrix(right, values) and left not in values.known:
        return _by_weight(node, scope, values, readers)
    if node.op == "MatMul" and _is_matrix(left, values) and values.rank(right) > 1:
        path = values.weight(left, f"{scope}.weight" if scope else "", depth_first=False)
        return Call(node, (Argument(tensor=right), Argument(parameter=path)), _left_weight)
    return None


def _is_matrix(name: str, values: Values) -> bool:
    value = values.known.get(name)
    return value is not None and value.ndim == 2 and value.dtype == np.float32


def _by_weight(
    node: OnnxNode, scope: str, values: Values, readers: Mapping[str, Any]
) -> Call | None:
    """x W or Gemm as a linear layer with the bias that it or the next node adds."""
    left, right, *more = node.inputs
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    depth_first = not node.get("transB", 0) if node.op == "Gemm" else True
    rows = values.known[right].shape[1 if depth_first else 0]
    bias = more[0] if more and beta != 0.0 else ""
    if bias and not _is_bias(bias, rows, values):
        return None
    if not bias:
        node, bias = _with_addition(node, rows, values, readers)
        beta = 1.0
    wanted = f"{scope}.weight" if scope else ""
    if bias and not is_anonymous(bias) and "bias" in bias:  # "rnn.bias_ih_l0" is of a weight_ih_l0
        wanted = bias.replace("bias", "weight")
    path = values.weight(right, wanted, depth_first=depth_first, factor=alpha)
    arguments = [Argument(tensor=left), Argument(parameter=path)]
    if bias:
        value = values.known[bias].reshape(rows) * np.float32(beta)
        name = f"{scope}.bias" if is_anonymous(bias) and scope else bias
        arguments.append(
            Argument(parameter=values.parameter(clean_path(name), value, (bias, "bias", beta)))
        )
    return Call(node, tuple(arguments), _linear)


def _is_bias(name: str, rows: int, values: Values) -> bool:
    """Whether a value is known and has one number for each row (and no more axes than one)."""
    value = values.known.get(name)
    return value is not None and value.size == rows and value.shape[-1:] == (rows,)


def _with_addition(
    node: OnnxNode, rows: int, values: Values, readers: Mapping[str, Any]
) -> tuple[OnnxNode, str]:
    """(the node with the outputs of the addition that alone reads it, the bias), or no bias."""
    output = node.outputs[0]
    reader = readers.get(output)
    if reader is None or reader.op_type != "Add" or values.uses[output] != 1:
        return node, ""
    bias = next((name for name in reader.input if name != output), "")
    if not _is_bias(bias, rows, values) or values.known[bias].ndim != 1:
        return node, ""
    return replace(node, outputs=tuple(reader.output)), bias


def _linear(node: OnnxNode, operands: Sequence[Operand]) -> Result:
    x, weight, *bias = operands
    return functional.linear(x.t() if node.get("transA", 0) else x, weight, *bias)


def _left_weight(_node: OnnxNode, operands: Sequence[Operand]) -> Result:
    """W x as the transpose of x^T W^T."""
    x, weight = operands
    return functional.linear(x.transpose(-1, -2), weight).transpose(-1, -2)


def _recurrent(node: OnnxNode, scope: str, values: Values) -> Call:
    x, weight, recurrence, bias, lengths, h, c, peepholes = (*node.inputs, *[""] * 8)[:8]
    known = values.known
    if peepholes:
        raise node.unsupported("with peepholes", "train without them")
    if weight not in known or recurrence not in known or (bias and bias not in known):
        raise node.unsupported("with computed weights", "export the weights as initializers")
    if lengths and not np.all(known.get(lengths, np.array(-1)) == _length(x, values)):
        raise node.unsupported("with sequence_lens", "give sequences of full length")
    arrays = prepared_weights(node, known[weight], known[recurrence], known.get(bias))
    paths = _weight_paths(node, scope, values)
    arguments = [Argument(tensor=x) if x not in known else _constant(x, values)]
    arguments += [_state(name, values) for name in (h, c)]
    for path, value in zip(paths, arrays, strict=True):
        if value is None:
            arguments.append(Argument())
            continue
        key = (weight, recurrence, bias, path)
        arguments.append(Argument(parameter=values.parameter(path, value, key)))
    return Call(node, tuple(arguments), OPERATORS[node.op].run)


def _length(x: str, values: Values) -> int:
    return int((values.known[x] if x in values.known else values.examples[x]).shape[0])


def _state(name: str, values: Values) -> Argument:
    """An initial state; zeros are the same as none."""
    if name not in values.known:
        return Argument(tensor=name)
    return _constant(name, values) if values.known[name].any() else Argument()


def _constant(name: str, values: Values) -> Argument:
    return Argument(parameter=values.constant(name, "", 0, ""))


def _weight_paths(node: OnnxNode, scope: str, values: Values) -> list[str]:
    """Paths as in torch, "gru.weight_ih_l0", or after the initializer: "W", "R", "B.ih", "B.hh"."""
    weight, recurrence, *bias = node.inputs[1:4]
    directions = values.known[weight].shape[0]
    names, layer = weight_names(node), 0
    if is_anonymous(weight):
        while f"{scope}.weight_ih_l{layer}".lstrip(".") in values.parameters:
            layer += 1
        suffixes = [f"_l{layer}", f"_l{layer}_reverse"][:directions]
        prefix = f"{scope}." if scope else ""
        return [clean_path(f"{prefix}{name}{end}") for end in suffixes for name in names]
    b = bias[0] if bias and bias[0] else "bias"
    stored = {"weight_ih": weight, "weight_hh": recurrence, "weight_hn": f"{recurrence}.new"}
    stored |= {"bias_ih": f"{b}.ih", "bias_hh": f"{b}.hh", "bias_hn": f"{b}.new"}
    ends = ["", ".reverse"][:directions]
    return [clean_path(stored[name] + end) for end in ends for name in names]
