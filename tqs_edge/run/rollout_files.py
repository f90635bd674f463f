"""The two files through which a rollout firmware talks to its runner (targets/common/main.c)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tqs_edge.errors import InputError, RunnerError
from tqs_edge.firmware.model_header import ModelShape

MAGIC = 0x31535154  # "TQS1" in little endian
INPUT_NAME = "rollout.in"
OUTPUT_NAME = "rollout.out"
MAX_INPUT_BYTES = 2**31 - 1  # offsets are int32 on the target


@dataclass(frozen=True, eq=False)
class RolloutRequest:
    """Checked arguments of one run.

    contexts (contexts, context_rows, F) int16; exog (contexts, calls, E) int16, E may be 0
    """

    shape: ModelShape
    contexts: np.ndarray
    horizon: int
    exog: np.ndarray

    @property
    def calls(self) -> int:
        """Calls of tqs_model_step for one context."""
        return self.shape.calls(self.contexts.shape[1], self.horizon)


def make_request(
    shape: ModelShape, contexts: np.ndarray, horizon: int, exog: np.ndarray | None
) -> RolloutRequest:
    """The arguments of a run after checking every dimension; raises InputError naming the fix."""
    if contexts.dtype != np.int16 or contexts.ndim != 3 or contexts.shape[2] != shape.features:
        raise InputError(
            f"contexts must be int16 [contexts, rows, {shape.features}], "
            f"got {contexts.dtype} {list(contexts.shape)}"
        )
    count, rows, _ = contexts.shape
    least = 1 if shape.recurrent else shape.length
    if rows < least or count < 1 or horizon < 1:
        raise InputError(
            f"a rollout needs a context, {least} rows in it and a horizon of at least 1, "
            f"got contexts {list(contexts.shape)} and horizon {horizon}"
        )
    expected = (count, shape.calls(rows, horizon), shape.exog)
    if exog is None:
        exog = np.zeros((count, expected[1], 0), np.int16)
    if exog.dtype != np.int16 or exog.shape != expected:
        raise InputError(
            f"exogenous inputs must be int16 {list(expected)} (one row per call of the model), "
            f"got {exog.dtype} {list(exog.shape)}"
        )
    contiguous = np.ascontiguousarray(contexts), np.ascontiguousarray(exog)
    return RolloutRequest(shape, contiguous[0], horizon, contiguous[1])


def encode_input(request: RolloutRequest) -> bytes:
    """The content of rollout.in. Raises InputError when it would pass 2 GiB."""
    count, rows, _ = request.contexts.shape
    header = np.array([MAGIC, count, rows, request.horizon], "<i4").tobytes()
    flat = (request.contexts.reshape(count, -1), request.exog.reshape(count, -1))
    content = header + np.concatenate(flat, axis=1).astype("<i2").tobytes()
    if len(content) > MAX_INPUT_BYTES:
        raise InputError("contexts exceed 2 GiB; run fewer of them at a time")
    return content


def decode_output(content: bytes, request: RolloutRequest) -> tuple[np.ndarray, int]:
    """Frames int16 (contexts, horizon, F) and the stack's high-water mark in bytes.

    Raises RunnerError when rollout.out is shorter or longer than the run asked for.
    """
    count, _, features = request.contexts.shape
    dimensions = (count, request.horizon, features)
    frame_bytes = 2 * count * request.horizon * features
    if len(content) != frame_bytes + 4:
        raise RunnerError(
            f"the firmware wrote {len(content)} bytes where {frame_bytes + 4} were expected; "
            "it was built from another model"
        )
    frames = np.frombuffer(content, "<i2", frame_bytes // 2).reshape(dimensions).astype(np.int16)
    return frames, int(np.frombuffer(content, "<i4", 1, frame_bytes)[0])
