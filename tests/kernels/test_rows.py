"""Softmax, normalisation, deviation and matrix products: equal to C, within their bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.kernels.conftest import HostKernels
from tests.kernels.nonlinear_cases import rows_of_every_size, saturated
from tqs_edge.quant import softmax as softmax_twin
from tqs_edge.quant.matmul import matmul
from tqs_edge.quant.normalize import MAX_ERROR, deviation, normalize, spread
from tqs_edge.quant.softmax import exp_table, softmax, sum_bits

LENGTHS = [1, 2, 3, 7, 16, 33, 300, 4096]
GUARD = 8
SCALES = [1e-6, 1e-4, 2e-3, 0.1]


def constants(scale: float) -> tuple[int, int]:
    """Multiplier and shift of a softmax of integers times `scale`."""
    shift = min(62, 46 - math.ceil(math.log2(scale * math.log2(math.e) * 65536)))
    return math.floor(scale * math.log2(math.e) * 65536 * 2.0 ** (shift - 15) + 0.5), shift


def by_kernel(host: HostKernels, name: str, x: np.ndarray, columns: int, *scalars) -> np.ndarray:
    """A row kernel's y; fails when it writes outside."""
    y = np.full(len(x) * columns + GUARD, 77, np.int16)
    tables = [host.pointer(s) if isinstance(s, np.ndarray) else s for s in scalars]
    getattr(host.c, name)(host.pointer(x), *tables, host.pointer(y), *x.shape)
    assert (y[-GUARD:] == 77).all()
    return y[:-GUARD].reshape(len(x), columns)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("scale", SCALES)
def test_softmax_equals_c(host: HostKernels, length: int, scale: float) -> None:
    x, (multiplier, shift) = rows_of_every_size(length), constants(scale)
    scalars = (exp_table(), multiplier, shift, sum_bits(length))
    got = by_kernel(host, "tqs_softmax_s16", x, length, *scalars)
    assert (got == softmax(x.astype(np.int64), exp_table(), multiplier, shift)).all()


def softmax_error(x: np.ndarray, scale: float) -> float:
    x = x.astype(np.int64)
    y = softmax(x, exp_table(), *constants(scale))
    powers = np.exp((x - x.max(-1, keepdims=True)) * scale)
    return float(np.abs(y - 32768 * powers / powers.sum(-1, keepdims=True)).max())


@pytest.mark.parametrize("scale", SCALES)
def test_softmax_stays_within_its_bound(scale: float) -> None:
    every = np.stack([np.full(65536, -32768), np.arange(-32768, 32768)], -1)
    few = np.arange(-32768, 32768, 211)
    three = np.stack([x.ravel() for x in np.meshgrid(few, few)] + [np.full(few.size**2, 99)], -1)
    longer = [rows_of_every_size(n) for n in (1, 8, 64, 1024, 4096)]
    for x in (every, three, *longer):
        assert softmax_error(x, scale) <= softmax_twin.MAX_ERROR


def test_softmax_of_equal_values_is_even() -> None:
    y = softmax(np.full((1, 8), 123), exp_table(), *constants(1e-3))
    assert y.tolist() == [[4096] * 8]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("epsilon", [1, 12345, 1 << 58])
def test_normalisation_equals_c_and_python_integers(
    host: HostKernels, length: int, epsilon: int
) -> None:
    x = rows_of_every_size(length)
    wide = x.astype(np.int64)
    for multiplier, shift in ((1 << 30, 2), (1 << 29, 9), (987654321, 17), (1, 31)):
        want = normalize(wide, epsilon, multiplier, shift)
        got = by_kernel(host, "tqs_normalize_s16", x, length, epsilon, multiplier, shift)
        assert (got == saturated(want)).all()
        assert (normalize(wide.astype(object), epsilon, multiplier, shift) == want).all()
    widest = (length * length << 30) + epsilon
    least = 34 - (64 - widest.bit_length()) // 2
    for multiplier, shift in ((1 << 30, least), (987654321, 40), (1 << 30, 62)):
        want = deviation(wide, epsilon, multiplier, shift)
        got = by_kernel(host, "tqs_deviation_s16", x, 1, epsilon, multiplier, shift)
        assert (got == saturated(want)).all()
        assert (deviation(wide.astype(object), epsilon, multiplier, shift) == want).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_normalisation_errs_by_half_an_lsb(length: int) -> None:
    x = rows_of_every_size(length).astype(np.int64)
    root = np.sqrt(spread(x, 7).astype(np.float64))
    exact = (length * x - x.sum(-1, keepdims=True)) / root * 2**14
    error = normalize(x, 7, 1 << 30, 16) - exact
    assert np.abs(error[np.abs(exact) < 32767]).max(initial=0) <= MAX_ERROR
    shift = 30 + math.ceil(math.log2(length)) + 1
    exact = root * 2.0 ** (30 - shift)
    error = deviation(x, 7, 1 << 30, shift) - exact
    assert np.abs(error[exact < 32767]).max() <= MAX_ERROR


@pytest.mark.parametrize(("rows", "depth", "columns"), [(1, 1, 1), (3, 7, 2), (2, 300, 5)])
@pytest.mark.parametrize("shared", [None, "a", "b"])
def test_matrix_products_equal_c(
    host: HostKernels, rows: int, depth: int, columns: int, shared: str | None
) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(-32768, 32768, (1 if shared == "a" else 3, rows, depth)).astype(np.int16)
    b = rng.integers(-32768, 32768, (1 if shared == "b" else 3, depth, columns)).astype(np.int16)
    a[0], b[0] = -32768, -32768
    multiplier, shift = (1 << 31) - 1, 46 + depth.bit_length() - 1
    y = np.full(3 * rows * columns + GUARD, 77, np.int16)
    strides = (0 if shared == "a" else rows * depth, 0 if shared == "b" else depth * columns)
    pointers = (host.pointer(a), host.pointer(b), multiplier, shift, host.pointer(y))
    host.c.tqs_matmul_s16(*pointers, 3, *strides, rows, depth, columns)
    want = matmul(a.astype(np.int64), b.astype(np.int64), multiplier, shift)
    assert (y[:-GUARD].reshape(3, rows, columns) == saturated(want)).all()
    assert (y[-GUARD:] == 77).all()
