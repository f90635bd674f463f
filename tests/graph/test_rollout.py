"""Float steps and rollouts equal the torch module they came from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.graphs import gru_graph
from tqs_edge.graph.graph import Graph, Node, Op
from tqs_edge.graph.rollout import calls_of, float_constants, rollout
from tqs_edge.graph.rollout_model import RolloutForm, RolloutModel


def test_gru_rollout_equals_torch() -> None:
    model = gru_graph(0)
    constants = {k: torch.from_numpy(v) for k, v in model.graph.constants.items()}
    cell = torch.nn.GRUCell(4, 32)
    cell.load_state_dict({k[5:]: v for k, v in constants.items() if k.startswith("cell.")})
    contexts = torch.randn(3, 6, 4)
    with torch.no_grad():
        got = rollout(model, contexts, 8)
        h, frames = torch.zeros(3, 32), []
        x = contexts[:, 0]
        for call in range(13):
            h = cell(x, h)
            y = (
                model.graph.node("leak").attrs["scale"] * x
                + h @ constants["head.weight"].T
                + constants["head.bias"]
            )
            x = contexts[:, call + 1] if call < 5 else y
            if call >= 5:
                frames.append(y)
    assert torch.allclose(got, torch.stack(frames, 1), atol=1e-5)


def test_weight_variants_are_independent() -> None:
    model = gru_graph(0)
    plain = float_constants(model.graph)
    changed = plain("cell.weight_hh").expand(3, 96, 32).clone()
    changed[1] += 0.01
    contexts = torch.randn(5, 4, 4).expand(3, 5, 4, 4)
    with torch.no_grad():
        frames = rollout(
            model,
            contexts,
            6,
            weight=lambda k: changed if k == "cell.weight_hh" else plain(k),
        )
        want = rollout(model, contexts[0], 6)
    assert torch.allclose(frames[0], want, atol=1e-6) and torch.equal(frames[0], frames[2])
    assert not torch.allclose(frames[1], want, atol=1e-4)


def test_tap_sees_every_tensor_and_its_answer_is_used() -> None:
    model = gru_graph(0)
    seen: set[str] = set()

    def tap(name: str, value: torch.Tensor) -> torch.Tensor:
        seen.add(name)
        return torch.zeros_like(value) if name == model.graph.output else value

    frames = rollout(model, torch.randn(2, 3, 4), 2, tap=tap)
    assert seen == set(model.graph.shapes) and not frames.any()


def windowed(block: int) -> RolloutModel:
    nodes = (
        Node("flat", Op.RESHAPE, ("x",), (1, 6)),
        Node("out", Op.DENSE, ("flat",), (1, 2 * block), weight="w"),
        Node("y", Op.RESHAPE, ("out",), (1, block, 2)),
    )
    shapes = {"x": (1, 3, 2), **{n.name: n.shape for n in nodes}}
    rng = np.random.default_rng(0)
    w = rng.normal(size=(2 * block, 6)).astype(np.float32) * 0.3
    graph = Graph("x", None, (), "y", nodes, {"w": w}, shapes)
    return RolloutModel("w", "t", graph, RolloutForm.WINDOWED, 3, 2, block, 0, 3)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_windowed_rollout_by_hand(block: int) -> None:
    model = windowed(block)
    context = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    rows = list(context)
    for _ in range(3):
        y = model.graph.constants["w"] @ np.concatenate(rows[-3:])
        rows += list(y.reshape(block, 2))
    got = rollout(model, torch.from_numpy(context)[None], 3 * block)[0].numpy()
    assert np.allclose(got, np.stack(rows[3:]), atol=1e-5)
    assert calls_of(model, 3, 3 * block) == 3
