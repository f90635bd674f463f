from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.toy_models import recurrent_twin, toy_bundle, windowed_bundle, windowed_twin
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import BuildError
from tqs_edge.firmware.model_header import model_shape
from tqs_edge.run.host_build import build_program
from tqs_edge.run.rollout_files import decode_output, encode_input, make_request

CONTEXTS = np.random.default_rng(7).integers(-3000, 3000, (4, 6, 2)).astype(np.int16)
HORIZON = 20
OUT_OF_BOUNDS = (
    "    (void)state; (void)exog; (void)x;\n    y[0] = toy_weights[0];\n    arena[{}] = 1;"
)


def run_sanitized(bundle: SourceBundle, folder: Path) -> tuple[int, str, np.ndarray]:
    """Exit status, console and frames of the rollout driver under both sanitizers."""
    program = folder / "rollout"
    build_program(bundle, program, sanitize=True)
    request = make_request(model_shape(bundle.files["model.h"]), CONTEXTS, HORIZON, None)
    (folder / "rollout.in").write_bytes(encode_input(request))
    done = subprocess.run([program], cwd=folder, capture_output=True, text=True, timeout=60)
    if done.returncode:
        return done.returncode, done.stderr, np.empty(0)
    frames, stack_bytes = decode_output((folder / "rollout.out").read_bytes(), request)
    assert stack_bytes == -1
    return 0, done.stderr, frames


@pytest.mark.parametrize("name", ["recurrent", "windowed"])
def test_the_driver_runs_clean_under_the_sanitizers(name: str, tmp_path: Path) -> None:
    if name == "recurrent":
        bundle, expected = toy_bundle(), recurrent_twin(CONTEXTS, HORIZON, None)
    else:
        bundle, expected = windowed_bundle(), windowed_twin(CONTEXTS, HORIZON, 5, 3)
    status, console, frames = run_sanitized(bundle, tmp_path)
    assert status == 0, console
    np.testing.assert_array_equal(frames, expected)


def test_a_write_past_the_arena_is_found(tmp_path: Path) -> None:
    status, console, _ = run_sanitized(toy_bundle(OUT_OF_BOUNDS.format(64), arena=64), tmp_path)
    assert status != 0
    assert "AddressSanitizer" in console and "tqs_model_step" in console


def test_a_write_to_the_arenas_last_byte_is_allowed(tmp_path: Path) -> None:
    status, console, _ = run_sanitized(toy_bundle(OUT_OF_BOUNDS.format(63), arena=64), tmp_path)
    assert status == 0, console


def test_code_that_is_not_c99_is_refused(tmp_path: Path) -> None:
    bundle = toy_bundle("    y[0] = ({ x[0]; });")
    with pytest.raises(BuildError, match=r"model\.c:\d+:\d+: error"):
        build_program(bundle, tmp_path / "rollout", sanitize=False)
