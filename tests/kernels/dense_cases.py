"""Operands of dense kernels with the results that the Python twin gives, and their file format."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from tqs_edge.kernel_table import DENSE_KERNELS, Kernel
from tqs_edge.quant.dense import dense
from tqs_edge.quant.fixed_point import MAX_MULTIPLIER, to_multiplier_shift
from tqs_edge.quant.pack import pack

ROWS = (1, 2, 3, 5, 8)
DEPTHS = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64)
CANARY = 0x5A5A
CANARIES = 5  # an odd number: y is aligned to its elements only
DEEP = (66, 130, 300)  # beyond what kernels prepare or sum at a time
LEAST_SHIFT_DEPTHS = (3, 12, 16, 32)
MANY_ROWS = 37  # beyond the rows that kernels keep sums of


@dataclass(frozen=True, eq=False)
class DenseCase:
    """One call. `x` is padded to a multiple of 16 elements with garbage; `depth` counts."""

    kernel: Kernel
    depth: int
    x: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: int

    @property
    def rows(self) -> int:
        return len(self.weights)

    @property
    def words(self) -> np.ndarray:
        return pack(self.weights, self.kernel.weight_bits, self.kernel.act_bits)

    @property
    def expected(self) -> np.ndarray:
        return dense(self.x[: self.depth], self.weights, self.bias, self.multiplier, self.shift)


def padded(depth: int) -> int:
    """Elements of x that a kernel may read."""
    return (depth + 15) // 16 * 16


def dense_case(kernel: Kernel, rows: int, depth: int, rng: np.random.Generator) -> DenseCase:
    """A random call at the limits: extreme values, any legal shift, bias up to the proof's edge."""
    x = extreme_integers(rng, kernel.act_bits, (padded(depth),)).astype(f"int{kernel.act_bits}")
    weights = extreme_integers(rng, kernel.weight_bits, (rows, depth)).astype(np.int16)
    reach = (np.abs(weights.astype(np.int64)).sum(axis=1) << (kernel.act_bits - 1)) + 1
    limit = 2**31 - 1 if kernel.acc_bits == 32 else 2**50
    bias = rng.integers(-(limit - reach), limit - reach, endpoint=True)
    bias = np.where(rng.random(rows) < 0.5, bias, rng.integers(-reach, reach))
    bounds = [int(b) for b in np.abs(bias) + reach]
    if kernel.acc_bits == 32 and rng.random() < 0.3:
        shift = int(rng.choice([32, 33, 45, 62]))
        multiplier = rng.choice([0, 1, 2**30, MAX_MULTIPLIER], size=rows)
    else:
        factors = np.minimum(0.4999, 2.0**30 / np.array(bounds)) * 2.0 ** -rng.uniform(0, 20, rows)
        chosen = to_multiplier_shift(factors.tolist(), bounds)
        shift, multiplier = chosen.shift, np.array(chosen.multipliers)
    bias = bias.astype(f"int{kernel.acc_bits}")
    return DenseCase(kernel, depth, x, weights, bias, multiplier.astype(np.int32), shift)


def dense_cases(
    rng: np.random.Generator, rows: tuple[int, ...] = ROWS, depths: tuple[int, ...] = DEPTHS
) -> list[DenseCase]:
    """A case for every kernel and shape."""
    return [dense_case(k, r, d, rng) for k in DENSE_KERNELS for r in rows for d in depths]


def long_cases(rng: np.random.Generator) -> Iterator[DenseCase]:
    """Depths and rows that take every kernel through more than one of its blocks."""
    for kernel in DENSE_KERNELS:
        yield from (dense_case(kernel, 5, depth, rng) for depth in DEEP)
        yield dense_case(kernel, MANY_ROWS, 20, rng)


def corner_cases(rng: np.random.Generator) -> Iterator[DenseCase]:
    """Constant x and weights at the ends of their ranges, the largest partial sums that there are;
    and the least shift, whose rounding is in the low word, at depths that have loops of their own.
    """
    for kernel in DENSE_KERNELS:
        half_x, half_w = 1 << (kernel.act_bits - 1), 1 << (kernel.weight_bits - 1)
        case = dense_case(kernel, 6, 64, rng)
        zero = np.zeros_like(case.bias)
        multiplier = np.full(6, 1 << 20, np.int32)
        for x, w in product((-half_x, half_x - 1), (-half_w, half_w - 1)):
            ends = np.full_like(case.x, x), np.full_like(case.weights, w)
            yield DenseCase(kernel, 64, *ends, zero, multiplier, 40)
        yield replace(case, bias=zero, multiplier=multiplier, shift=32)
        for depth in LEAST_SHIFT_DEPTHS:
            case = dense_case(kernel, 6, depth, rng)
            factors = rng.choice([1, 1 << 16, 1 << 30, MAX_MULTIPLIER], size=6).astype(np.int32)
            yield replace(case, bias=zero, multiplier=factors, shift=32)


def extreme_integers(rng: np.random.Generator, bits: int, shape: tuple[int, ...]) -> np.ndarray:
    """Integers of `bits` bits, a third of them the least, the greatest or next to zero."""
    limit = 1 << (bits - 1)
    corners = rng.choice([-limit, limit - 1, -1, 0], size=shape)
    anything = rng.integers(-limit, limit, size=shape)
    return np.where(rng.random(shape) < 1 / 3, corners, anything)


def encode(case: DenseCase) -> bytes:
    """The case as harness.c reads it."""
    kernel = case.kernel
    widths = (kernel.act_bits, kernel.weight_bits, kernel.acc_bits)
    head = struct.pack("<6i", *widths, case.rows, case.depth, case.shift)
    operands = (case.x, case.words, case.bias, case.multiplier)
    return head + b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in operands)


def decode(results: bytes, rows: list[int]) -> list[np.ndarray]:
    """The outputs of each case, as harness.c wrote them; fails when a canary died."""
    values = np.frombuffer(results, "<i2")
    assert len(values) == sum(rows) + 2 * CANARIES * len(rows)
    outputs, start = [], 0
    for count in rows:
        block = values[start : start + count + 2 * CANARIES]
        assert (block[:CANARIES] == CANARY).all(), "wrote before y"
        assert (block[-CANARIES:] == CANARY).all(), "wrote past y"
        outputs.append(block[CANARIES:-CANARIES])
        start += len(block)
    return outputs
