"""The bound of the stack by the machine code is never below what a simulator measures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.firmware.toy_models import toy_bundle, windowed_bundle
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.stack_bound import stack_bound
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.run.runner import run

COMPILERS = [
    pytest.param("gcc", marks=pytest.mark.arm),
    pytest.param("zig", marks=pytest.mark.zig),
]


@pytest.mark.unicorn
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("board", ["nucleo-g071rb", "mps2-an386"])
def test_toy(board: str, compiler: str, tmp_path: Path) -> None:
    f = build(windowed_bundle(), load_board(board), find_toolchain(compiler), tmp_path)
    contexts = np.zeros((2, 7, 2), np.int16)
    print(stack_bound(f.elf), run(f, contexts, 5).stack_bytes)
