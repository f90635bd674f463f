"""What every operation of the graph computes, against plain torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tqs_edge.backends.step_calls import prepare_calls
from tqs_edge.graph.evaluate import step
from tqs_edge.graph.functions import FUNCTIONS
from tqs_edge.graph.graph import Graph, Node, Op

BATCH = (2, 3)
X = torch.randn(*BATCH, 4, 6, generator=torch.Generator().manual_seed(0)).double()
Z = torch.rand(*BATCH, 4, 1, generator=torch.Generator().manual_seed(1)).double() + 0.5


def computed(op: Op, shape: tuple[int, ...], inputs: tuple[str, ...] = ("x",), **attrs: Any) -> Any:
    """One node on the batch X (4, 6) and Z (4, 1), by both evaluators."""
    node = Node("y", op, inputs, shape, attrs)
    constants = {"row": np.arange(6.0, dtype=np.float32)[None], "v": np.ones(6, np.float32)}
    graph = Graph("x", None, (), "y", (node,), constants, {"x": (4, 6), "z": (4, 1), "y": shape})
    tensors = {k: torch.from_numpy(v).double() for k, v in constants.items()}
    given = {"x": X, "z": Z}
    y = step(graph, given, weight=tensors.__getitem__)["y"]
    ((_, call),) = prepare_calls(graph, tensors)
    torch.testing.assert_close(call({**tensors, **given}), y)
    assert y.shape == (*BATCH, *shape)
    return y


def test_two_operands_broadcast_against_each_other_and_not_against_the_batch() -> None:
    torch.testing.assert_close(computed(Op.DIV, (4, 6), ("x", "z")), X / Z)
    torch.testing.assert_close(computed(Op.MAXIMUM, (4, 6), ("x", "z")), X.maximum(Z))
    torch.testing.assert_close(computed(Op.MINIMUM, (4, 6), ("x", "v")), X.clamp(max=1.0))


def test_reductions_keep_their_axis() -> None:
    torch.testing.assert_close(computed(Op.MEAN, (1, 6), axis=-2), X.mean(-2, keepdim=True))
    torch.testing.assert_close(computed(Op.SUM, (4, 1), axis=-1), X.sum(-1, keepdim=True))
    torch.testing.assert_close(computed(Op.MAX, (4, 1), axis=-1), X.amax(-1, keepdim=True))


def test_softmax_and_normalisation_work_on_the_last_axis() -> None:
    torch.testing.assert_close(computed(Op.SOFTMAX, (4, 6)), torch.softmax(X, -1))
    want = torch.nn.functional.layer_norm(X, (6,), eps=1e-3)
    torch.testing.assert_close(computed(Op.NORMALIZE, (4, 6), eps=1e-3), want)
    deviation = computed(Op.DEVIATION, (4, 1), eps=1e-3)
    torch.testing.assert_close(want * deviation, X - X.mean(-1, keepdim=True))


def test_transpose_and_matmul() -> None:
    turned = computed(Op.TRANSPOSE, (6, 4), axes=(-1, -2))
    torch.testing.assert_close(turned, X.transpose(-1, -2))
    graph_node = Node("y", Op.MATMUL, ("x", "t"), (4, 4))
    graph = Graph("x", None, (), "y", (graph_node,), {}, {"x": (4, 6), "t": (6, 4), "y": (4, 4)})
    y = step(graph, {"x": X, "t": turned}, weight={}.__getitem__)["y"]
    torch.testing.assert_close(y, X @ turned)


def test_a_dense_layer_on_unfolded_rows_is_a_convolution() -> None:
    x = X.transpose(-1, -2).reshape(6, 6, 4)  # (batch, channels, time)
    for kernel, dilation, stride in ((3, 1, 1), (2, 2, 1), (2, 1, 2)):
        out = (4 - (kernel - 1) * dilation - 1) // stride + 1
        rows = computed(
            Op.UNFOLD, (out, kernel * 6), kernel=kernel, dilation=dilation, stride=stride
        )
        weight = torch.randn(5, 6, kernel).double()
        want = torch.nn.functional.conv1d(x, weight, dilation=dilation, stride=stride)
        dense = weight.permute(0, 2, 1).reshape(5, -1)  # (out, kernel * channels)
        got = (rows @ dense.T).transpose(-1, -2).reshape(6, 5, out)
        torch.testing.assert_close(got, want)


def test_a_constant_joins_a_concatenation_in_every_batch() -> None:
    y = computed(Op.CONCAT, (5, 6), ("row", "x"), axis=-2)
    torch.testing.assert_close(y[..., 1:, :], X)
    assert (y[..., 0, :] == torch.arange(6.0)).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_scalar_functions_are_finite_inside_their_domain(name: str) -> None:
    function = FUNCTIONS[name]
    x = torch.linspace(max(function.low, -8.0) + 1e-3, 8.0, 100, dtype=torch.float64)
    assert torch.isfinite(function.apply(x)).all()


def test_clamp() -> None:
    y = computed(Op.CLAMP, (4, 6), low=-0.5, high=0.25)
    torch.testing.assert_close(y, X.clamp(-0.5, 0.25))


def test_select() -> None:
    strict = computed(Op.SELECT, (4, 6), ("x", "v", "z"), threshold=0.5, strict=1)
    torch.testing.assert_close(strict, torch.where(X > 0.5, torch.ones_like(X), Z.expand_as(X)))
    above = computed(Op.SELECT, (4, 6), ("x", "x", "v"), threshold=float(X.max()), strict=0)
    assert int((above != 1).sum()) == int(X.max() != 1)
