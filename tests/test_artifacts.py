"""Saving, loading, and never leaving half a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from tqs_edge.artifacts import atomic_directory, content_hash, load, save, write_text
from tqs_edge.errors import InputError
from tqs_edge.plan.bit_plan import BitPlan, RowBlock


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Leaf:
    bits: int


@dataclass(frozen=True, eq=False)
class Other:
    values: np.ndarray
    scale: float


@dataclass(frozen=True, eq=False)
class Tree:
    name: str | None
    colour: Colour
    items: tuple[Leaf | Other, ...]
    table: dict[str, np.ndarray]
    pair: tuple[str, float]


def tree() -> Tree:
    other = Other(np.arange(6, dtype=np.int16).reshape(2, 3), 2**-15)
    table = {"w": np.ones((2, 2), np.float32)}
    return Tree(None, Colour.RED, (Leaf(4), other), table, ("a", 0.1))


def test_nested_dataclasses_come_back(tmp_path: Path) -> None:
    save(tmp_path / "t.json", tree())
    back = load(tmp_path / "t.json", Tree)
    assert back.colour is Colour.RED and back.name is None and back.pair == ("a", 0.1)
    assert back.items[0] == Leaf(4)
    assert isinstance(back.items[1], Other)
    assert back.items[1].values.dtype == np.int16
    assert (back.items[1].values == tree().items[1].values).all()  # type: ignore[union-attr]
    assert content_hash(back) == content_hash(tree())


def test_same_value_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"{name}.json", tree())
    assert (tmp_path / "a.json.npz").read_bytes() == (tmp_path / "b.json.npz").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_bit_plan_round_trip(tmp_path: Path) -> None:
    plan = BitPlan({"w": (RowBlock(0, 8, 4), RowBlock(8, 9, 16))}, {"x": 16}, {"h": 16}, "tqs")
    save(tmp_path / "plan.json", plan)
    assert load(tmp_path / "plan.json", BitPlan) == plan


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": 1, "type": "Tree"}'])
def test_damaged_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match="make it anew"):
        load(tmp_path / "t.json", Tree)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load(tmp_path / "none.json", Tree)


def test_unwritable_place_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "file" / "inside.txt", "y")
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_directory_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("x")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        atomic_directory(tmp_path / "out", fail)
    assert not os.listdir(tmp_path)
    atomic_directory(tmp_path / "out", lambda d: write_text(d / "manifest.json", "{}"))
    atomic_directory(tmp_path / "out", lambda d: write_text(d / "manifest.json", "[]"))
    assert (tmp_path / "out" / "manifest.json").read_text() == "[]"


def test_foreign_directory_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(InputError, match="choose another"):
        atomic_directory(tmp_path, lambda d: None)
