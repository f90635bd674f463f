"""Compiles an emitted package strictly and calls it through ctypes."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np

from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.graph.time_loop import calls_of, context_calls
from tqs_edge.resources import resource_dir

STRICT = [
    *("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wshadow"),
    *("-Wmissing-prototypes", "-Werror"),
]
CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-ffreestanding"]


def write_package(bundle: SourceBundle, folder: Path) -> list[Path]:
    """The package's C files, written to `folder` with their headers."""
    for name, text in bundle.files.items():
        (folder / name).write_text(text)
    return sorted(folder.glob("model*.c"))


def compile_strictly(compiler: list[str], flags: list[str], bundle: SourceBundle, folder: Path):
    """Object files of the package's own C files; a warning is an error."""
    objects = []
    for source in write_package(bundle, folder):
        objects.append(source.with_suffix(".o"))
        include = ["-I", str(resource_dir("kernels"))]
        run(
            [*compiler, "-O2", *STRICT, *flags, *include, "-c", str(source), "-o", str(objects[-1])]
        )
    return objects


def run(command: list[str]) -> str:
    """What the command prints; fails the test with its messages."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


class CPackage:
    """The package as a shared library, with guard words after every array it may write."""

    def __init__(self, bundle: SourceBundle, model: RolloutModel, folder: Path) -> None:
        # Misaligned reads, overflow, out-of-range shifts and what is proven not to happen end the
        # process.
        checks = ["-fsanitize=undefined", "-fno-sanitize-recover=all", "-DTQS_CHECKED"]
        objects = compile_strictly(["cc"], ["-fPIC", *checks], bundle, folder)
        host = str(resource_dir("targets") / "host" / "library.c")
        kernels = [str(resource_dir("kernels") / name) for name in bundle.kernels]
        library = folder / "model.so"
        include = ["-I", str(folder), "-I", str(resource_dir("kernels"))]
        files = [*map(str, objects), host, *kernels]
        run(
            [
                "cc",
                "-O2",
                "-std=c99",
                *checks,
                "-shared",
                "-fPIC",
                *include,
                *files,
                "-o",
                str(library),
            ]
        )
        self.model, self.library = model, ctypes.CDLL(str(library))
        self.snapshot_bytes = 20 + bundle.state_bytes
        self.power_on()

    def power_on(self) -> None:
        """A new instance in memory of its own."""
        self.instance = guarded(self.library.tqs_host_model_bytes())
        self.arena = guarded(self.library.tqs_host_arena_bytes())
        assert self.init() == 0

    def init(self, weights: np.ndarray | None = None) -> int:
        """Status of init on a weights image, uint8; without one on the package's own."""
        if weights is None:
            return self.call("tqs_host_init", self.instance, self.arena)
        return self.call("tqs_model_init", self.instance, self.arena, weights)

    def call(self, name: str, *arrays: np.ndarray | None) -> int:
        """Status of a function of the package on the addresses of arrays."""
        return self.library[name](*(a if a is None else self.pointer(a) for a in arrays))

    def save(self) -> np.ndarray:
        """A snapshot of the state, uint8."""
        snapshot = np.zeros(self.snapshot_bytes, np.uint8)
        assert self.call("tqs_model_save", self.instance, snapshot) == 0
        return snapshot

    def restore(self, snapshot: np.ndarray) -> int:
        """Status of restore."""
        return self.call("tqs_model_restore", self.instance, snapshot)

    def reset(self) -> None:
        """Back to the initial state."""
        self.library.tqs_model_reset(self.pointer(self.instance))

    @staticmethod
    def pointer(array: np.ndarray) -> ctypes.c_void_p:
        """The address of an array's first element."""
        return ctypes.c_void_p(array.ctypes.data)

    def step(self, x: np.ndarray, exog: np.ndarray | None) -> np.ndarray:
        """y, int16 (K * F,), of one call."""
        y = guarded(2 * self.model.block * self.model.features)
        given = np.ascontiguousarray(x, np.int16)
        assert self.call("tqs_model_step", self.instance, given, exog, y) == 0
        for array in (self.instance, self.arena, y):
            assert (array[-GUARD:] == 0xA5).all(), "the step wrote past an array"
        return y[:-GUARD].view(np.int16)[: self.model.block * self.model.features].copy()

    def rollout(
        self, context: np.ndarray, horizon: int, exog: np.ndarray | None = None
    ) -> np.ndarray:
        """Frames int16 (horizon, F); the arena is filled with noise before every call."""
        self.reset()
        rng = np.random.default_rng(0)
        length, features = self.model.length, self.model.features
        fed = context_calls(self.model, len(context))
        rows = [np.zeros(features)] * (fed * length - len(context)) + list(context)
        known = len(rows)
        for call in range(calls_of(self.model, len(context), horizon)):
            self.arena[:-GUARD] = rng.integers(0, 256, len(self.arena) - GUARD)
            given = None if exog is None else np.ascontiguousarray(exog[call], np.int16)
            end = known - (fed - 1 - call) * length if call < fed else len(rows)
            y = self.step(np.array(rows[end - length : end]), given).reshape(-1, features)
            if call >= fed - 1:
                rows += list(y)
        return np.array(rows[known:][:horizon], np.int16)


GUARD = 16


def guarded(size: int) -> np.ndarray:
    """`size` bytes of zeros at a multiple of 8, and GUARD bytes of 0xA5 behind them."""
    words = np.zeros(-(-size // 8) + GUARD // 8, np.uint64)
    array = words.view(np.uint8)
    array[-GUARD:] = 0xA5
    return array
