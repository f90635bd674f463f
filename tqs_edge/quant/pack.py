"""Packed weight words: the layouts that kernels/README.md draws, defined here once in code.

A row of `depth` weights becomes ceil(depth / group) words of 32 bits, group = 32 / weight_bits.
Weights below 8 bits are stored offset binary (w + 2^(bits-1)); the padding of the last word holds
weights of value zero. Rows come in quads, whose words are interleaved; up to three last rows follow
one after the other.
"""

from __future__ import annotations

import numpy as np

from tqs_edge.errors import InputError

WEIGHT_BITS = (2, 4, 8, 16)
ACT_BITS = (8, 16)
QUAD = 4  # rows whose words are interleaved


def group_size(weight_bits: int) -> int:
    """Weights per 32-bit word: 16, 8, 4, 2 for 2, 4, 8, 16 bits."""
    if weight_bits not in WEIGHT_BITS:
        raise InputError(f"weights of {weight_bits} bits have no layout; use one of {WEIGHT_BITS}")
    return 32 // weight_bits


def row_words(depth: int, weight_bits: int) -> int:
    """32-bit words of one packed row."""
    group = group_size(weight_bits)
    return (depth + group - 1) // group


def packed_bytes(rows: int, depth: int, weight_bits: int) -> int:
    """Bytes of a packed (rows, depth) weight block."""
    return 4 * rows * row_words(depth, weight_bits)


def field_order(weight_bits: int, act_bits: int) -> tuple[int, ...]:
    """Index within its group of the weight in each field of a word, lowest bits first.

    A field of the low half word and the same field of the high half word meet in one SMLAD, so
    they hold weights whose activations also lie in one register: neighbours (2k, 2k+1) for 16-bit
    activations; (4q+r, 4q+r+2), r in {0, 1}, for 8-bit ones, as SXTB16 delivers them. The exception
    is 16-bit weights, always in natural order.
    """
    group = group_size(weight_bits)
    if act_bits not in ACT_BITS:
        raise InputError(f"activations of {act_bits} bits have no kernels; use one of {ACT_BITS}")
    if weight_bits == 16:
        return (0, 1)
    low = range(0, group, 2) if act_bits == 16 else (i for i in range(group) if i % 4 < 2)
    distance = 1 if act_bits == 16 else 2
    fields = tuple(low)
    return fields + tuple(i + distance for i in fields)


def pack(weights: np.ndarray, weight_bits: int, act_bits: int) -> np.ndarray:
    """uint32 (rows * words) from integer weights (rows, depth).

    Word k of row r is at (r - r % 4) * words + 4 k + r % 4 or, in the rows % 4 last rows, at
    r * words + k. Raises InputError for weights outside [-2^(bits-1), 2^(bits-1) - 1].
    """
    order = field_order(weight_bits, act_bits)
    group = len(order)
    limit = 1 << (weight_bits - 1)
    values = np.asarray(weights).astype(np.int64)
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"pack: weights of shape {values.shape}; give (rows, depth), not empty")
    if values.min() < -limit or values.max() >= limit:
        raise InputError(
            f"pack: weights in [{values.min()}, {values.max()}] do not fit {weight_bits} bits; "
            "quantize them to that width first"
        )
    rows, depth = values.shape
    words = row_words(depth, weight_bits)
    padded = np.zeros((rows, words * group), np.int64)
    padded[:, :depth] = values
    fields = padded.reshape(rows, words, group)[:, :, order] + _offset(weight_bits)
    fields &= (1 << weight_bits) - 1
    shifts = weight_bits * np.arange(group, dtype=np.int64)
    packed: np.ndarray = (fields << shifts).sum(axis=2).astype(np.uint32)
    whole = rows - rows % QUAD
    quads = packed[:whole].reshape(-1, QUAD, words).transpose(0, 2, 1)
    return np.concatenate([quads.ravel(), packed[whole:].ravel()])


def unpack(words: np.ndarray, depth: int, weight_bits: int, act_bits: int) -> np.ndarray:
    """int16 weights (rows, depth) from packed words (rows * row_words); inverse of `pack`."""
    order = field_order(weight_bits, act_bits)
    group, stride = len(order), row_words(depth, weight_bits)
    if words.ndim != 1 or words.size % stride:
        raise InputError(
            f"unpack: words of shape {words.shape} are not rows of {depth} weights of "
            f"{weight_bits} bits"
        )
    rows = words.size // stride
    whole = rows - rows % QUAD
    quads, rest = np.split(words.astype(np.int64), [whole * stride])
    quads = quads.reshape(-1, stride, QUAD).transpose(0, 2, 1)
    ordered = np.concatenate([quads.reshape(whole, stride), rest.reshape(-1, stride)])
    shifts = weight_bits * np.arange(group, dtype=np.int64)
    fields = (ordered[:, :, None] >> shifts) & ((1 << weight_bits) - 1)
    if weight_bits < 8:
        fields -= _offset(weight_bits)
    else:
        fields -= (fields >> (weight_bits - 1)) << weight_bits
    values = np.empty_like(fields)
    values[:, :, order] = fields
    return values.reshape(rows, stride * group)[:, :depth].astype(np.int16)


def _offset(weight_bits: int) -> int:
    """2^(bits-1) for the offset-binary widths, 0 for the two's complement ones."""
    return 1 << (weight_bits - 1) if weight_bits < 8 else 0
