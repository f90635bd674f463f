"""Weights, biases and multipliers as const C arrays."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np

C_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.int64): "int64_t",
    np.dtype(np.uint32): "uint32_t",
}


def declaration(name: str, values: np.ndarray) -> str:
    """`extern const T name[n];` of an array in row-major order."""
    return f"extern {_head(name, values)};\n"


def definition(name: str, values: np.ndarray) -> str:
    """`const T name[n] = {...};`, lines of at most 100 columns."""
    numbers = ", ".join(_literal(v, values.dtype) for v in values.reshape(-1).tolist())
    body = textwrap.fill(numbers, 100, initial_indent="    ", subsequent_indent="    ")
    return f"{_head(name, values)} = {{\n{body},\n}};\n"


def constant_bytes(arrays: Mapping[str, np.ndarray]) -> int:
    """Bytes of flash that the arrays take."""
    return sum(array.nbytes for array in arrays.values())


def _head(name: str, values: np.ndarray) -> str:
    return f"const {C_TYPES[values.dtype]} {name}[{values.size}]"


def _literal(value: int, dtype: np.dtype) -> str:
    if dtype == np.uint32:
        return f"0x{value:08x}u"
    # The least value is no literal in C: the minus is applied to a number that does not fit.
    if value == np.iinfo(dtype).min:
        return f"INT{8 * dtype.itemsize}_MIN"
    return f"INT64_C({value})" if dtype == np.int64 else str(value)
