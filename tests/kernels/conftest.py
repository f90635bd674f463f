"""The kernels as a shared library of the host, called through cffi."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cffi import FFI

from tests.kernels.dense_cases import CANARIES, CANARY, DenseCase
from tests.kernels.nonlinear_cases import NONLINEAR_DECLARATIONS
from tqs_edge.firmware.command import run_compiler
from tqs_edge.firmware.toolchain import find_host_compiler, host_flags
from tqs_edge.kernel_table import DENSE_KERNELS

KERNELS = Path(__file__).parents[2] / "kernels"
STRICT = (
    *("-std=c99", "-ffreestanding", "-pedantic", "-Wall", "-Wextra", "-Wconversion"),
    *("-Wshadow", "-Wmissing-prototypes", "-Werror"),
)
DECLARATIONS = """
void sat8(const int32_t *v, int8_t *y, int32_t count);
void sat16(const int32_t *v, int16_t *y, int32_t count);
int32_t sat32(int64_t v);
int32_t requantize(int32_t acc, int32_t multiplier, int32_t shift);
int32_t requantize_acc64(int64_t acc, int32_t multiplier, int32_t shift);
void tanh_s16(const int16_t *x, int32_t fraction_bits, int16_t *y, int32_t count);
void sigmoid_s16(const int16_t *x, int32_t fraction_bits, int16_t *y, int32_t count);
void tqs_residual_update_s16(const int16_t *x, const int16_t *f, int32_t multiplier, int32_t shift,
                             int16_t *y, int32_t count);
void tqs_push_rows_s8(const int8_t *past, const int8_t *rows, int8_t *next, int32_t kept,
                      int32_t pushed);
void tqs_push_rows_s16(const int16_t *past, const int16_t *rows, int16_t *next, int32_t kept,
                       int32_t pushed);
void tqs_window_push_s16(int16_t *window, const int16_t *rows, int32_t length, int32_t features,
                         int32_t block);
"""


class HostKernels:
    """The shared library; every method takes and returns NumPy arrays."""

    def __init__(self, library: Path) -> None:
        self.ffi = FFI()
        self.ffi.cdef(DECLARATIONS + NONLINEAR_DECLARATIONS)
        for kernel in DENSE_KERNELS:
            self.ffi.cdef(
                f"void {kernel.symbol}(const int{kernel.act_bits}_t *, const uint32_t *,"
                f"const int{kernel.acc_bits}_t *, const int32_t *, int32_t, int16_t *, int32_t,"
                "int32_t);"
            )
        self.c: Any = self.ffi.dlopen(str(library))

    def pointer(self, array: np.ndarray) -> Any:
        """The array as a C pointer of its element type; the array must outlive the call."""
        kind = "uint" if array.dtype.kind == "u" else "int"
        return self.ffi.from_buffer(
            f"{kind}{8 * array.itemsize}_t[]", array, require_writable=False
        )

    def dense(self, case: DenseCase) -> np.ndarray:
        """y of the kernel; fails when it writes outside."""
        y = np.full(case.rows + 2 * CANARIES, CANARY, np.int16)
        operands = [np.ascontiguousarray(a) for a in (case.x, case.words, case.bias)]
        function = getattr(self.c, case.kernel.symbol)
        pointers = [self.pointer(a) for a in (*operands, case.multiplier)]
        inside = self.pointer(y) + CANARIES
        function(*pointers, case.shift, inside, case.rows, case.depth)
        assert (y[:CANARIES] == CANARY).all() and (y[-CANARIES:] == CANARY).all()
        return y[CANARIES:-CANARIES]

    def over(self, name: str, x: np.ndarray, *parameters: int, out: type = np.int16) -> np.ndarray:
        """An inline function over the elements of x."""
        y = np.zeros(x.shape, out)
        getattr(self.c, name)(self.pointer(x), *parameters, self.pointer(y), x.size)
        return y


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> HostKernels:
    """The portable kernels, built once with the host's compiler under strict warnings."""
    folder = tmp_path_factory.mktemp("kernels")
    compiler = find_host_compiler()
    sources = [str(path) for path in sorted(KERNELS.glob("tqs_*.c"))]
    sources += [str(path) for path in sorted(Path(__file__).parent.glob("*_functions.c"))]
    library = folder / "kernels.so"
    flags = (*STRICT, "-O2", "-DTQS_CHECKED", *host_flags(compiler), f"-I{KERNELS}")
    command = (*compiler.command, *flags, "-shared", "-fPIC", *sources, "-o", str(library))
    run_compiler(command, cwd=folder, environment={})
    return HostKernels(library)
