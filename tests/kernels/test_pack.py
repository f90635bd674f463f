"""Packed weights: the inverse, the sizes, and the pictures of kernels/README.md."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest

from tests.kernels.conftest import KERNELS
from tests.kernels.dense_cases import DEPTHS, extreme_integers
from tqs_edge.errors import InputError
from tqs_edge.quant.pack import (
    ACT_BITS,
    WEIGHT_BITS,
    field_order,
    group_size,
    pack,
    packed_bytes,
    row_words,
    unpack,
)

LAYOUTS = [(act, weight) for act in ACT_BITS for weight in WEIGHT_BITS]


@pytest.mark.parametrize(("act_bits", "weight_bits"), LAYOUTS)
def test_unpack_inverts_pack(act_bits: int, weight_bits: int) -> None:
    rng = np.random.default_rng(9)
    for depth, rows in product(DEPTHS, (1, 3, 4, 5, 7, 8)):
        weights = extreme_integers(rng, weight_bits, (rows, depth)).astype(np.int16)
        words = pack(weights, weight_bits, act_bits)
        assert words.dtype == np.uint32
        assert words.shape == (rows * row_words(depth, weight_bits),)
        assert words.nbytes == packed_bytes(rows, depth, weight_bits)
        assert (unpack(words, depth, weight_bits, act_bits) == weights).all()


@pytest.mark.parametrize(("act_bits", "weight_bits"), LAYOUTS)
def test_padding_weights_are_zero(act_bits: int, weight_bits: int) -> None:
    words = pack(np.full((2, 1), -1, np.int16), weight_bits, act_bits)
    group = group_size(weight_bits)
    assert (unpack(words, group, weight_bits, act_bits)[:, 1:] == 0).all()


def test_words_of_four_rows_are_interleaved() -> None:
    weights = np.arange(7 * 9).reshape(7, 9)  # three words of 8-bit weights per row
    words = pack(weights, 8, 8)
    one_by_one = np.stack([pack(row[None], 8, 8) for row in weights])
    for row, k in product(range(4), range(3)):
        assert words[4 * k + row] == one_by_one[row, k]
    assert (words[12:] == one_by_one[4:].ravel()).all()


def readme_rows(heading: str) -> list[list[str]]:
    """Cells of the table rows under a heading of kernels/README.md, without the table's head."""
    text = (KERNELS / "README.md").read_text(encoding="utf-8")
    section = text.split(heading, 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\|(.+)\|$", section, re.MULTILINE)
    return [[cell.strip(" `") for cell in row.split("|")] for row in rows[2:]]


def test_readme_draws_the_layouts() -> None:
    drawn = {}
    for code, fields in readme_rows("### Order of fields"):
        act, weight = re.fullmatch(r"a(\d+)w(\d+)", code).groups()  # type: ignore[union-attr]
        drawn[int(act), int(weight)] = tuple(int(field) for field in fields.split())
    assert drawn == {(a, w): field_order(w, a) for a, w in LAYOUTS}


def test_readme_examples_are_what_pack_gives() -> None:
    rows = readme_rows("### One row, packed")
    assert len(rows) == len(LAYOUTS)
    for code, weights, words in rows:
        act, weight = re.fullmatch(r"a(\d+)w(\d+)", code).groups()  # type: ignore[union-attr]
        row = np.array([[int(w) for w in weights.split()]], np.int16)
        packed = pack(row, int(weight), int(act))
        assert words.split() == [f"{word:08x}" for word in packed]


@pytest.mark.parametrize(
    ("weights", "weight_bits", "act_bits", "cause"),
    [
        ([[8]], 4, 8, "do not fit 4 bits"),
        ([[-3]], 2, 16, "do not fit 2 bits"),
        ([[1]], 3, 8, "no layout"),
        ([[1]], 4, 32, "no kernels"),
        ([1], 4, 8, "give \\(rows, depth\\)"),
    ],
)
def test_pack_names_what_is_wrong(
    weights: list[list[int]], weight_bits: int, act_bits: int, cause: str
) -> None:
    with pytest.raises(InputError, match=cause):
        pack(np.array(weights), weight_bits, act_bits)


def test_unpack_refuses_another_stride() -> None:
    for words in (np.zeros(3, np.uint32), np.zeros((1, 2), np.uint32)):
        with pytest.raises(InputError, match="are not rows"):
            unpack(words, 5, 8, 8)
