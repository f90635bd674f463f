from __future__ import annotations

import numpy as np

from tqs_edge.codegen.constants import constant_bytes, declaration, definition


def test_words_are_hexadecimal_and_unsigned() -> None:
    words = np.array([[1, 0xFFFFFFFF]], np.uint32)
    assert definition("w", words) == "const uint32_t w[2] = {\n    0x00000001u, 0xffffffffu,\n};\n"
    assert declaration("w", words) == "extern const uint32_t w[2];\n"


def test_least_values_are_spelled_as_c_can_read_them() -> None:
    assert "INT32_MIN" in definition("b", np.array([-(2**31)], np.int32))
    assert "INT64_MIN" in definition("b", np.array([-(2**63)], np.int64))
    assert "INT64_C(-5000000000)" in definition("b", np.array([-5_000_000_000], np.int64))


def test_bytes_are_summed_over_arrays() -> None:
    arrays = {"a": np.zeros(3, np.int64), "b": np.zeros((2, 2), np.uint32)}
    assert constant_bytes(arrays) == 40
