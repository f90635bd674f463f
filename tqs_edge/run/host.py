"""The host runner: the model as a shared library, its loop written here in Python.

It shares no code with the driver of the firmware, so that the two check one another.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from cffi import FFI

from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import RunnerError
from tqs_edge.firmware.build import Firmware
from tqs_edge.run.host_build import build_library
from tqs_edge.run.rollout_files import RolloutRequest
from tqs_edge.run.run_log import RunLog

DECLARATIONS = """
int32_t tqs_host_model_bytes(void);
int32_t tqs_host_arena_bytes(void);
int32_t tqs_host_init(void *model, void *arena);
void tqs_model_reset(void *model);
int32_t tqs_model_step(void *model, const int16_t *x, const int16_t *exog, int16_t *y);
"""


class HostModel:
    """A model loaded into this process, an instance with its own arena.

    Raises RunnerError when the library refuses its weights.
    """

    def __init__(self, library: Path) -> None:
        self._ffi = FFI()
        self._ffi.cdef(DECLARATIONS)
        self._library: Any = self._ffi.dlopen(str(library))
        # int64_t, because the instance and the arena are 8-byte aligned.
        self._model = self._words(self._library.tqs_host_model_bytes())
        self._arena = self._words(self._library.tqs_host_arena_bytes())
        if status := self._library.tqs_host_init(self._model, self._arena):
            raise RunnerError(f"the model refuses its weights (status {status}); compile again")

    def _words(self, size: int) -> Any:
        return self._ffi.new("int64_t[]", size // 8 + 1)

    def reset(self) -> None:
        """Puts the model into its initial state."""
        self._library.tqs_model_reset(self._model)

    def step(self, x: np.ndarray, exog: np.ndarray, y: np.ndarray) -> None:
        """One call of the model; all arrays int16 and contiguous, y is overwritten."""
        pointers = [self._ffi.cast("int16_t *", array.ctypes.data) for array in (x, exog, y)]
        if exog.size == 0:
            pointers[1] = self._ffi.NULL
        self._library.tqs_model_step(self._model, *pointers)


def load_host_model(bundle: SourceBundle) -> HostModel:
    """The model compiled for this computer and loaded. Raises ToolMissing or BuildError."""
    with tempfile.TemporaryDirectory(prefix="tqs-library-") as name:
        library = Path(name) / "model.so"
        build_library(bundle, library)
        return HostModel(library)


def run_host(firmware: Firmware, request: RolloutRequest, timeout: float, count: int) -> RunLog:
    """Frames of a rollout on this computer; nothing is counted, whatever `count` says.

    Raises ToolMissing without a C compiler, RunnerError when `timeout` seconds have passed.
    """
    model = load_host_model(firmware.bundle)
    deadline = time.monotonic() + timeout
    frames = [_rollout(model, request, index, deadline) for index in range(len(request.contexts))]
    return RunLog(frames=np.stack(frames), runner="host", board=firmware.board.name)


def _rollout(model: HostModel, request: RolloutRequest, index: int, deadline: float) -> np.ndarray:
    """Frames (horizon, F). Each call takes the newest L rows; once the context has been taken, L
    rows a call from zeros on or its last L at once, it appends K rows."""
    shape, exog = request.shape, request.exog[index]
    context = request.contexts[index]
    fed = shape.context_calls(len(context))
    begin = max(fed * shape.length, len(context))
    rows = np.zeros((begin + (request.calls - fed + 1) * shape.block, shape.features), np.int16)
    rows[begin - len(context) : begin] = context
    ignored = np.empty((shape.block, shape.features), np.int16)
    model.reset()
    for t in range(request.calls):
        _check(deadline)
        now = begin + (t - fed + 1) * (shape.length if t < fed else shape.block)
        y = rows[now : now + shape.block] if t >= fed - 1 else ignored
        model.step(rows[now - shape.length : now], exog[t], y)
    return rows[begin : begin + request.horizon]


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RunnerError("no end in time on the host; raise the timeout or lower the horizon")
