"""Table functions: equal to C and within their bounds, over every input."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.conftest import KERNELS, HostKernels
from tqs_edge.errors import InputError
from tqs_edge.quant.lut import (
    SIGMOID_MAX_ERROR,
    TANH_MAX_ERROR,
    sigmoid_s16,
    table_source,
    tanh_s16,
    tanh_table,
)

EVERY_INPUT = np.arange(-32768, 32768).astype(np.int16)
FRACTION_BITS = pytest.mark.parametrize("fraction_bits", range(8, 16))


@FRACTION_BITS
def test_every_input_equals_c(host: HostKernels, fraction_bits: int) -> None:
    for name, twin in (("tanh_s16", tanh_s16), ("sigmoid_s16", sigmoid_s16)):
        got = host.over(name, EVERY_INPUT, fraction_bits)
        assert (got == twin(EVERY_INPUT, fraction_bits)).all()


@FRACTION_BITS
def test_errors_stay_within_the_stated_bounds(fraction_bits: int) -> None:
    real = EVERY_INPUT / 2.0**fraction_bits
    tanh_error = tanh_s16(EVERY_INPUT, fraction_bits) / 32768 - np.tanh(real)
    sigmoid_error = sigmoid_s16(EVERY_INPUT, fraction_bits) / 32768 - 1 / (1 + np.exp(-real))
    assert np.abs(tanh_error).max() <= TANH_MAX_ERROR
    assert np.abs(sigmoid_error).max() <= SIGMOID_MAX_ERROR


@FRACTION_BITS
def test_functions_are_monotone(fraction_bits: int) -> None:
    for twin in (tanh_s16, sigmoid_s16):
        assert (np.diff(twin(EVERY_INPUT, fraction_bits).astype(int)) >= 0).all()


@FRACTION_BITS
def test_tanh_is_odd(fraction_bits: int) -> None:
    positive = EVERY_INPUT[EVERY_INPUT > 0]
    assert (tanh_s16(-positive, fraction_bits) == -tanh_s16(positive, fraction_bits)).all()
    assert tanh_s16(np.zeros(1, np.int16), fraction_bits)[0] == 0


def test_table_never_falls_and_ends_at_the_greatest_value() -> None:
    table = tanh_table()
    assert table.shape == (257,) and table[0] == 0 and table[-1] == 32767
    assert (np.diff(table) >= 0).all()


def test_committed_table_is_the_generated_one() -> None:
    assert (KERNELS / "tqs_tanh_table.c").read_text(encoding="utf-8") == table_source()


def test_other_input_formats_are_refused() -> None:
    for function in (tanh_s16, sigmoid_s16):
        with pytest.raises(InputError, match="7 fraction bits"):
            function(EVERY_INPUT, 7)
