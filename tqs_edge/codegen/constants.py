"""Weights, biases and multipliers as members of one C struct."""

from __future__ import annotations

import textwrap

import numpy as np

C_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.int64): "int64_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.uint32): "uint32_t",
}


def member(name: str, values: np.ndarray) -> str:
    """`    T name[n];` of an array in row-major order."""
    return f"    {C_TYPES[values.dtype]} {name}[{values.size}];\n"


def initializer(name: str, values: np.ndarray, macro: str = "") -> str:
    """`{...}, /* name */` of an array, lines of at most 100 columns; `macro` around each number."""
    literals = (_literal(v, values.dtype) for v in values.reshape(-1).tolist())
    numbers = ", ".join(f"{macro}({literal})" if macro else literal for literal in literals)
    body = textwrap.fill(numbers, 99, initial_indent=" " * 12, subsequent_indent=" " * 12)
    return f"        {{ /* {name} */\n{body},\n        }},\n"


def _literal(value: int, dtype: np.dtype) -> str:
    if dtype == np.uint32:
        return f"0x{value:08x}u"
    # The least value is no literal in C: the minus is applied to a number that does not fit.
    if value == np.iinfo(dtype).min and dtype.kind == "i":
        return f"INT{8 * dtype.itemsize}_MIN"
    return f"INT64_C({value})" if dtype == np.int64 else str(value)
