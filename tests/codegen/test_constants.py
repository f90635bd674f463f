from __future__ import annotations

import numpy as np

from tqs_edge.codegen.constants import initializer, member


def test_words_are_hexadecimal_and_unsigned() -> None:
    words = np.array([[1, 0xFFFFFFFF]], np.uint32)
    assert "0x00000001u, 0xffffffffu,\n" in initializer("w", words)
    assert member("w", words) == "    uint32_t w[2];\n"


def test_least_values_are_spelled_as_c_can_read_them() -> None:
    assert "INT32_MIN" in initializer("b", np.array([-(2**31)], np.int32))
    assert "INT64_MIN" in initializer("b", np.array([-(2**63)], np.int64))
    assert "INT64_C(-5000000000)" in initializer("b", np.array([-5_000_000_000], np.int64))
