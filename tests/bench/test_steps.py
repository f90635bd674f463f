"""Instructions of whole steps."""

from __future__ import annotations

import pytest

from tqs_edge.bench.steps import Convolutions, measure_steps
from tqs_edge.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"steps": ["lstm"]}, "unknown step 'lstm'"), ({"cores": ["m4"]}, "unknown core 'm4'")],
)
def test_unknown_names_are_input_errors(arguments: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_steps(**arguments)


@pytest.mark.arm
@pytest.mark.unicorn
def test_convolutions_compute_one_row_each() -> None:
    (cost,) = measure_steps(
        steps=["conv-3-32x32-twice"], widths=["a8w8"], cores=["cortex-m4"], with_compilers=["gcc"]
    )
    products = 2 * 3 * Convolutions.CHANNELS**2
    # An SMLAD makes two products; a window of rows would take three times as many at least.
    assert products / 2 < cost.dense_instructions < 2 * products
    assert cost.dense_instructions < cost.instructions
