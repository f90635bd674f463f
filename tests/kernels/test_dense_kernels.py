"""Dense kernels of the host against their exact twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.conftest import HostKernels
from tests.kernels.dense_cases import (
    corner_cases,
    dense_case,
    dense_cases,
    extreme_integers,
    long_cases,
)
from tqs_edge.kernel_table import DENSE_KERNELS, Kernel, dense_kernel
from tqs_edge.quant.dense import dense

EVERY_KERNEL = pytest.mark.parametrize("kernel", DENSE_KERNELS, ids=lambda k: k.symbol)


def test_kernels_equal_the_twin_on_every_shape(host: HostKernels) -> None:
    rng = np.random.default_rng(1)
    for case in (*dense_cases(rng), *long_cases(rng), *corner_cases(rng)):
        assert (host.dense(case) == case.expected).all(), (case.kernel.symbol, case.depth)


@given(
    kernel=st.sampled_from(DENSE_KERNELS),
    rows=st.integers(1, 9),
    depth=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_kernels_equal_the_twin_anywhere(
    host: HostKernels, kernel: Kernel, rows: int, depth: int, seed: int
) -> None:
    case = dense_case(kernel, rows, depth, np.random.default_rng(seed))
    assert (host.dense(case) == case.expected).all()


@EVERY_KERNEL
def test_padding_of_x_never_matters(host: HostKernels, kernel: Kernel) -> None:
    rng = np.random.default_rng(2)
    for depth in (1, 3, 7, 9, 15, 17, 30):
        case = dense_case(kernel, 3, depth, rng)
        for filling in (0, -(1 << (kernel.act_bits - 1)), (1 << (kernel.act_bits - 1)) - 1):
            x = case.x.copy()
            x[depth:] = filling
            assert (host.dense(replace(case, x=x)) == case.expected).all()


@EVERY_KERNEL
def test_largest_magnitudes_do_not_overflow(host: HostKernels, kernel: Kernel) -> None:
    low = -(1 << (kernel.weight_bits - 1))
    case = dense_case(kernel, 2, 64, np.random.default_rng(3))
    for sign in (1, -1):
        x = np.full_like(
            case.x, -(1 << (kernel.act_bits - 1)) if sign > 0 else (1 << (kernel.act_bits - 1)) - 1
        )
        extreme = replace(
            case,
            x=x,
            weights=np.full((2, 64), low, np.int16),
            bias=np.zeros_like(case.bias),
            multiplier=np.array([1 << 20, 1 << 8], np.int32),
            shift=50,
        )
        assert (host.dense(extreme) == extreme.expected).all()


@EVERY_KERNEL
def test_permuting_rows_permutes_outputs(host: HostKernels, kernel: Kernel) -> None:
    rng = np.random.default_rng(4)
    case = dense_case(kernel, 8, 17, rng)
    order = rng.permutation(8)
    permuted = replace(
        case, weights=case.weights[order], bias=case.bias[order], multiplier=case.multiplier[order]
    )
    assert (host.dense(permuted) == host.dense(case)[order]).all()


def test_twin_is_exact_against_python_integers() -> None:
    rng = np.random.default_rng(5)
    for case in dense_cases(rng, rows=(2,), depths=(1, 5, 33)):
        for row in range(case.rows):
            acc = int(case.bias[row]) + sum(
                int(w) * int(v) for w, v in zip(case.weights[row], case.x, strict=False)
            )
            exact = (acc * int(case.multiplier[row]) + (1 << (case.shift - 1))) >> case.shift
            assert case.expected[row] == max(-32768, min(32767, exact))


def test_twin_works_on_batches_of_inputs() -> None:
    rng = np.random.default_rng(6)
    case = dense_case(dense_kernel(16, 4, 32), 5, 7, rng)
    batch = extreme_integers(rng, 16, (3, 2, 7)).astype(np.int16)
    outputs = dense(batch, case.weights, case.bias, case.multiplier, case.shift)
    one = dense(batch[1, 0], case.weights, case.bias, case.multiplier, case.shift)
    assert outputs.shape == (3, 2, 5) and (outputs[1, 0] == one).all()
