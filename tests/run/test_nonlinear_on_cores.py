"""Nonlinear models on simulated cores, by both compilers: the reference's frames."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from tests.passes.nonlinear_models import NONLINEAR_MODELS
from tests.passes.small_models import Case, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.passes.lower import lower
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import run_reference

HORIZON = 9
COMPILERS = [
    pytest.param("gcc", marks=pytest.mark.arm),
    pytest.param("zig", marks=pytest.mark.zig),
]


@functools.cache
def emitted(name: str) -> tuple[Case, SourceBundle]:
    case = make_case(NONLINEAR_MODELS[name]())
    module = lower(case.module, case.program)
    return case, emit(module, case.program, case.model, "0123abcd")


@pytest.mark.qemu
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("board", ["arduino-zero", "mps2-an385", "mps2-an386", "mps3-an547"])
@pytest.mark.parametrize("name", NONLINEAR_MODELS)
def test_frames_agree(name: str, board: str, compiler: str, tmp_path: Path) -> None:
    case, bundle = emitted(name)
    firmware = build(bundle, load_board(board), find_toolchain(compiler), tmp_path)
    log = run(firmware, case.contexts, HORIZON, runner="qemu")
    want = run_reference(case.program, case.model, case.contexts, HORIZON).frames
    np.testing.assert_array_equal(log.frames, want)
