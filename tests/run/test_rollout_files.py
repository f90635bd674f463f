from __future__ import annotations

import struct

import numpy as np
import pytest

from tqs_edge.errors import InputError, RunnerError
from tqs_edge.firmware.model_header import ModelShape, model_shape
from tqs_edge.run.rollout_files import decode_output, encode_input, make_request

RECURRENT = ModelShape(length=1, features=2, block=1, exog=1, recurrent=True)
WINDOWED = ModelShape(length=4, features=1, block=3, exog=0, recurrent=False)
CONTEXTS = np.arange(8, dtype=np.int16).reshape(2, 2, 2)


def test_calls_follow_the_rollout_form() -> None:
    assert RECURRENT.calls(context_rows=5, horizon=3) == 7
    assert [WINDOWED.calls(9, horizon) for horizon in (1, 3, 4, 6, 7)] == [1, 1, 2, 2, 3]


def test_input_holds_each_context_followed_by_its_exogenous_rows() -> None:
    exog = np.array([[[20], [21], [22]], [[30], [31], [32]]], np.int16)
    content = encode_input(make_request(RECURRENT, CONTEXTS, 2, exog))
    assert struct.unpack("<4i", content[:16]) == (0x31535154, 2, 2, 2)
    values = struct.unpack("<14h", content[16:])
    assert values == (0, 1, 2, 3, 20, 21, 22, 4, 5, 6, 7, 30, 31, 32)


def test_output_is_frames_then_stack_bytes() -> None:
    request = make_request(WINDOWED, np.zeros((2, 4, 1), np.int16), 3, None)
    frames, stack_bytes = decode_output(struct.pack("<6hi", 1, 2, 3, -4, -5, -6, 132), request)
    assert frames.tolist() == [[[1], [2], [3]], [[-4], [-5], [-6]]]
    assert stack_bytes == 132


@pytest.mark.parametrize("size", [0, 15, 17])
def test_output_of_another_length_is_a_runner_error(size: int) -> None:
    request = make_request(WINDOWED, np.zeros((2, 4, 1), np.int16), 3, None)
    with pytest.raises(RunnerError, match=f"wrote {size} bytes where 16 were expected"):
        decode_output(bytes(size), request)


@pytest.mark.parametrize(
    ("contexts", "horizon", "text"),
    [
        (np.zeros((1, 4), np.int16), 1, "contexts must be int16"),
        (np.zeros((1, 4, 2), np.int16), 1, r"contexts must be int16 \[contexts, rows, 1\]"),
        (np.zeros((1, 4, 1), np.float32), 1, "got float32"),
        (np.zeros((0, 4, 1), np.int16), 1, "needs a context"),
        (np.zeros((1, 3, 1), np.int16), 1, "4 rows in it"),
        (np.zeros((1, 4, 1), np.int16), 0, "horizon of at least 1"),
    ],
)
def test_wrong_dimensions_are_input_errors(contexts: np.ndarray, horizon: int, text: str) -> None:
    with pytest.raises(InputError, match=text):
        make_request(WINDOWED, contexts, horizon, None)


def test_header_without_a_macro_is_an_input_error() -> None:
    with pytest.raises(InputError, match="TQS_MODEL_LENGTH"):
        model_shape("#define TQS_MODEL_BLOCK 1\n")


def test_header_macros_may_carry_comments() -> None:
    names = ("LENGTH", "FEATURES", "BLOCK", "EXOG", "RECURRENT")
    header = "".join(f"#define TQS_MODEL_{name} {at} /* c */\n" for at, name in enumerate(names))
    assert model_shape(header) == ModelShape(0, 1, 2, 3, True)
