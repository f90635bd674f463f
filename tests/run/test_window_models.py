"""Convolutions and transposed layers on cores that fault where a word is read out of line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.passes.small_models import MODELS, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.graph.time_loop import calls_of
from tqs_edge.passes.lower import lower
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import run_reference

HORIZON = 17
NAMES = (*("convolution", "mixer", "kept_patches", "kept_phases", "kept_exog", "kept_exog_blocks"),)


@pytest.mark.arm
@pytest.mark.unicorn
@pytest.mark.parametrize("board", ["microbit", "mps2-an386"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", NAMES)
def test_firmware_equals_the_reference(name: str, bits: int, board: str, tmp_path: Path) -> None:
    case = make_case(MODELS[name](), act_bits=bits)
    exog = None
    if case.exog is not None:
        exog = case.exog[:, : calls_of(case.model, case.contexts.shape[1], HORIZON)]
    want = run_reference(case.program, case.model, case.contexts, HORIZON, exog=exog).frames
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    firmware = build(bundle, load_board(board), find_toolchain("gcc"), tmp_path)
    log = run(firmware, case.contexts, HORIZON, exog=exog)
    np.testing.assert_array_equal(log.frames, want)
