"""Layout, selections and assignments become slices, concatenations, reshapes and transposes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.frontend.aten.rewritten import check

X = torch.arange(24.0).reshape(1, 8, 3)
INDEX = torch.tensor([3, 0, 1])

BECOMES = {
    "transposes that cancel": (lambda x: torch.relu(x.mT).mT, {"relu": 1}),
    "transposes around a concatenation": (
        lambda x: torch.cat([x.mT, x.mT * 2], -1).mT,
        {"mul": 1, "cat": 1},
    ),
    "transposes around a mean": (lambda x: x.mT.mean(-1), {"mean": 1, "reshape": 1}),
    "transposed axes of extent 1": (lambda x: x.transpose(0, 1), {"reshape": 1}),
    "reshapes of reshapes": (lambda x: x.reshape(4, 6).flatten().view(1, 8, 3) + 1, {"add": 1}),
    "expand in a sum": (
        lambda x: x + x.mean(1, keepdim=True).expand(1, 8, 3),
        {"mean": 1, "add": 1},
    ),
    "repeat": (lambda x: x.repeat(1, 2, 1), {"cat": 1}),
    "expand": (lambda x: x[:, :1].expand(1, 4, 3), {"slice": 1, "cat": 1}),
    "stack": (lambda x: torch.stack([x, x * 2], -1), {"mul": 1, "reshape": 2, "cat": 1}),
    "part of a concatenation": (
        lambda x: torch.cat([x, x * 2], 1)[:, 8:10],
        {"mul": 1, "slice": 1},
    ),
    "slice of a slice": (lambda x: x[:, 2:7][:, 1:3], {"slice": 1}),
    "chunks": (lambda x: x.chunk(4, 1)[2], {"slice": 1}),
    "unbind": (lambda x: x.unbind(1)[-1], {"slice": 1, "reshape": 1}),
    "flip": (lambda x: x[:, :3].flip(1), {"slice": 3, "cat": 1}),
    "roll": (lambda x: x.roll(2, 1), {"slice": 2, "cat": 1}),
    "stride": (lambda x: x[:, 1::2], {"slice": 3, "reshape": 2, "cat": 1}),
    "stride that divides": (lambda x: x[:, ::2], {"slice": 1, "reshape": 2}),
    "index select": (lambda x: x.index_select(1, INDEX), {"slice": 2, "cat": 1}),
    "index": (lambda x: x[:, INDEX], {"slice": 2, "cat": 1}),
    "index along two axes": (
        lambda x: x[:, torch.tensor([[0, 1], [4, 5]]), torch.tensor([1, 2])],
        {"slice": 4, "cat": 1, "reshape": 2},
    ),
    "diagonal": (lambda x: x[:, :3].diagonal(0, 1, 2), {"slice": 4, "cat": 1, "reshape": 3}),
    "no rows of a stride": (lambda x: torch.cat([x[:, 8::2], x + 1], 1), {"add": 1}),
    "gather": (lambda x: x.gather(1, INDEX[None, :, None].expand(1, 3, 3)), {"slice": 2, "cat": 1}),
    "windows": (lambda x: x.unfold(1, 4, 2), {"permute": 2, "reshape": 1, "unfold": 1}),
    "patches": (lambda x: x.mT.unfold(-1, 4, 4), {"permute": 1, "reshape": 1}),
    "zero padding": (lambda x: F.pad(x, (0, 0, 2, 1)), {"cat": 1}),
    "negative padding": (lambda x: F.pad(x, (0, 0, -2, -1)), {"slice": 1}),
    "edge padding": (lambda x: F.pad(x.mT, (2, 1), mode="replicate").mT, {"slice": 2, "cat": 1}),
    "mirror": (lambda x: F.pad(x.mT, (2, 1), mode="reflect").mT, {"slice": 3, "cat": 1}),
    "circle": (lambda x: F.pad(x.mT, (2, 1), mode="circular").mT, {"slice": 2, "cat": 1}),
}


@pytest.mark.parametrize("name", BECOMES)
def test_layout_becomes(name):
    function, expected = BECOMES[name]
    assert check(function, X) == expected


@pytest.mark.parametrize(("start", "step"), [(0, 2), (1, 2), (1, 3), (6, 5)])
def test_assignment_to_every_other_entry(start: int, step: int) -> None:
    def assigned(x):
        x = x.clone()
        x[:, start::step] *= 2
        return x

    check(assigned, X)


def test_a_product_of_two_repetitions_keeps_their_shape() -> None:
    check(lambda x: x[:, :, None].expand(1, 8, 8, 3).square().sum(-1), X)
    check(lambda x: F.cosine_similarity(x[:, :, None], x[:, None], dim=-1), X)


def test_assignment_into_a_tensor_is_a_concatenation():
    def assigned(x):
        x = x.clone()
        x[:, 0] = x[:, 1] * 2
        x[:, 4:6] = 0.0
        return x

    assert set(check(assigned, X)) <= {"slice", "reshape", "mul", "cat"}


def test_choice_along_one_axis_is_a_concatenation():
    mask = torch.arange(8)[None, :, None] > 3
    assert check(lambda x: torch.where(mask, x, x * 2), X) == {"mul": 1, "slice": 2, "cat": 1}
    assert check(lambda x: x.masked_fill(mask, 5.0), X) == {"slice": 1, "cat": 1}


def test_choice_by_any_other_mask_is_a_sum_of_products():
    mask = torch.eye(8, 3)[None] > 0
    assert check(lambda x: torch.where(mask, x, x * 2), X) == {"mul": 3, "add": 1}
    assert check(lambda x: x.masked_fill(mask, 5.0), X) == {"mul": 1, "add": 1}
