from __future__ import annotations

import pytest

from tqs_edge.errors import InputError
from tqs_edge.package.names import c_name, checked_name, renamed


@pytest.mark.parametrize(
    "model, name",
    [
        ("gru-4x32", "gru_4x32"),
        ("Forecaster", "forecaster"),
        ("2d", "model_2d"),
        ("int", "model_int"),
        ("class", "model_class"),
        ("time", "model_time"),
        ("test", "model_test"),
        ("tqs_x", "model_tqs_x"),
        ("---", "forecast"),
        ("ö", "forecast"),
        ("a" * 50, "a" * 31),
    ],
)
def test_any_model_name_gives_a_prefix(model: str, name: str) -> None:
    assert c_name(model) == name == checked_name(name)


@pytest.mark.parametrize(
    "name", ["", "2d", "A", "a-b", "_a", "a_", "class", "stdint", "install", "a" * 32]
)
def test_a_prefix_that_c_cannot_take_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="--name"):
        checked_name(name)


def test_only_names_of_the_model_change() -> None:
    text = (
        '#include "model.h"\n#include "kernels/tqs_dense_a16w8.h"\ntqs_model_step(); TQS_MODEL_OK;'
    )
    text += " tqs_dense_a16w8(); tqs_dense_a16w8_acc64(); tqs_sat16();"
    assert renamed(text, "gru", ("tqs_dense_a16w8",)) == (
        '#include "gru.h"\n#include "kernels/tqs_dense_a16w8.h"\ngru_step(); GRU_OK;'
        " gru_dense_a16w8(); tqs_dense_a16w8_acc64(); tqs_sat16();"
    )
