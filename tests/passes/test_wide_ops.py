"""32-bit tensors and products with constants: one arithmetic in every executor."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.c_package import compile_strictly
from tests.passes.wide_harness import assert_executors_agree, exact_values, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.integer.constants import affine_op
from tqs_edge.integer.program import IntegerOp, QTensor
from tqs_edge.integer.scale_op import scale_op
from tqs_edge.integer.wide_ops import wide_product_op
from tqs_edge.passes.lower import lower_program

N = 7


def tensor(name: str, bits: int, scale: float) -> QTensor:
    return QTensor(name, (1, N), bits, scale)


V, U = tensor("v", 32, 2.0**-31), tensor("u", 16, 2.0**-15)
POLES = np.array([[0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0, 0.95]])
GAINS = np.array([[-3.0, 2.5, 0.01, -1.0, 1.0, 0.0, 1e-9]])


def cases() -> dict[str, tuple[tuple[IntegerOp, ...], QTensor]]:
    w32, w16 = tensor("w", 32, 2.0**-31), tensor("w", 16, 2.0**-15)
    fine = tensor("w", 32, 2.0**-31 * 0.97)
    return {
        "decay": ((scale_op(V, POLES, w32),), w32),
        "decay of 16 bits": ((scale_op(U, POLES, w16),), w16),
        "rescaling decay": ((scale_op(V, POLES, fine),), fine),
        "gains": ((scale_op(V, GAINS, w32),), w32),
        "gains of 16 bits": ((scale_op(U, GAINS, w16),), w16),
        "gains to 32 bits": ((scale_op(U, GAINS, w32),), w32),
        "gains to 16 bits": ((scale_op(V, GAINS, w16),), w16),
        "halves": ((scale_op(U, np.array([[0.5]]), w16),), w16),
        "small powers of two": ((scale_op(V, np.array([2.0**-20]), w16),), w16),
        "sum at the state's scale": ((affine_op((V, U), (1.0, 1.0), 0.0, w32),), w32),
        "difference at other scales": ((affine_op((V, U), (0.7, -1.3), 0.3, fine),), fine),
        "sum to 16 bits": ((affine_op((V, U), (1.0, 1.0), -0.1, w16),), w16),
        "twice itself": ((affine_op((V, V), (1.0, 1.0), 0.0, w32),), w32),
        "minus itself": ((affine_op((U, V), (1.0, -1.0), 0.0, w32),), w32),
        "widened": ((affine_op((U,), (1.0,), 0.0, w32),), w32),
        "widened to another scale": ((affine_op((U,), (1.0,), 0.0, fine),), fine),
        "rectified": ((affine_op((V,), (1.0,), 0.0, fine, rectify=True),), fine),
        "rectified to 16 bits": ((affine_op((V,), (1.0,), 0.0, w16, rectify=True),), w16),
        "product": ((wide_product_op(V, U, w32),), w32),
        "product to another scale": ((wide_product_op(U, V, fine),), fine),
        "product to 16 bits": ((wide_product_op(V, U, w16),), w16),
        "product of 16 bits": ((wide_product_op(U, U, w32),), w32),
    }


@pytest.mark.parametrize("name", cases())
def test_reference_llvm_and_c_agree(name: str, tmp_path: Path) -> None:
    ops, w = cases()[name]
    assert_executors_agree(make_case(ops, N, w), tmp_path)


def clamped(exact: Fraction, bits: int) -> int:
    rounded = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, rounded))


@pytest.mark.parametrize("name", ["decay", "gains", "gains to 32 bits", "gains to 16 bits"])
def test_products_with_constants_err_by_one_rounding_and_the_multiplier(name: str) -> None:
    (op,), w = cases()[name]
    values = exact_values(make_case((op,), N, w))
    x = values[op.input]
    source = {"v": V, "u": U}[op.input]
    constants = POLES if name == "decay" else GAINS
    for column, constant in enumerate(constants[0]):
        factor = Fraction(float(constant)) * Fraction(source.scale) / Fraction(w.scale)
        # Half an LSB of rounding, and what 31 bits of the largest factor miss.
        slack = 0.5 + float(np.abs(x[:, column]).max()) * 2.0 ** -(op.shift + 1)
        for given, got in zip(x[:, column].tolist(), values["w"][:, column].tolist(), strict=True):
            want = factor * given
            if clamped(want, w.bits) == got:
                continue
            assert abs(float(want - got)) <= slack


def test_sums_at_one_scale_are_exact() -> None:
    ops, w = cases()["sum at the state's scale"]
    values = exact_values(make_case(ops, N, w))
    exact = values["v"] + (values["u"] << 16)
    np.testing.assert_array_equal(values["w"], exact.clip(-(1 << 31), (1 << 31) - 1))


@pytest.mark.slow
@pytest.mark.arm
def test_gcc_for_cortex_m0_has_no_warning(tmp_path: Path) -> None:
    for number, (ops, w) in enumerate(cases().values()):
        case = make_case(ops, N, w)
        folder = tmp_path / str(number)
        folder.mkdir()
        bundle = emit(lower_program(case.program), case.program, case.model, "0123abcd")
        flags = ["-mcpu=cortex-m0plus", "-mthumb", "-ffreestanding"]
        compile_strictly(["arm-none-eabi-gcc"], flags, bundle, folder)
