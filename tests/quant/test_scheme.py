"""Quantizing real arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tqs_edge.quant.scheme import (
    fake_quantize_rows,
    integer_limits,
    quantize,
    quantize_rows,
    scale_for_range,
)

ROWS = arrays(np.float32, (3, 5), elements=st.floats(-4, 4, width=32))


def test_quantize_rounds_half_up_and_saturates() -> None:
    values = np.array([-0.5, -0.25, 0.25, 0.5, 1e9, -1e9])
    assert quantize(values, 0.5, 8).tolist() == [-1, 0, 1, 1, 127, -128]


@given(ROWS, st.sampled_from([2, 4, 8, 16]))
def test_rows_stay_in_range_and_never_lose_to_the_unclipped_scale(
    weights: np.ndarray, bits: int
) -> None:
    weights = weights.astype(np.float64)  # as the quantizer computes
    q, scale = quantize_rows(weights, bits)
    low, high = integer_limits(bits)
    assert q.min() >= low and q.max() <= high and (scale > 0).all()
    largest = np.abs(weights).max(axis=1, keepdims=True)
    plain_scale = np.where(largest > 0, largest, 1.0) / high
    plain = np.round(weights / plain_scale) * plain_scale
    error = ((q * scale[:, None] - weights) ** 2).sum(axis=1)
    assert (error <= ((plain - weights) ** 2).sum(axis=1) * (1 + 1e-6) + 1e-12).all()


@given(ROWS, st.sampled_from([2, 4, 8, 16]))
def test_rows_are_quantized_one_by_one(weights: np.ndarray, bits: int) -> None:
    whole, scales = quantize_rows(weights, bits)
    part, part_scales = quantize_rows(weights[1:2], bits)
    assert (whole[1:2] == part).all() and scales[1] == part_scales[0]


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_zero_rows_stay_zero(bits: int) -> None:
    assert not fake_quantize_rows(np.zeros((2, 3), np.float32), bits).any()


def test_more_bits_lose_less() -> None:
    weights = np.random.default_rng(0).normal(size=(16, 32)).astype(np.float32)
    errors = [np.square(fake_quantize_rows(weights, b) - weights).sum() for b in (2, 4, 8, 16)]
    assert errors == sorted(errors, reverse=True)


def test_range_just_fits() -> None:
    assert quantize(np.array([3.0, -3.0]), scale_for_range(3.0, 16), 16).tolist() == [32767, -32767]
    assert scale_for_range(0.0, 8) > 0
