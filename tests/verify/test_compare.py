"""The first difference is found and named."""

from __future__ import annotations

import numpy as np
import pytest

from tqs_edge.verify.compare import first_mismatch


def test_equal_frames_have_none() -> None:
    frames = np.arange(12, dtype=np.int16).reshape(2, 3, 2)
    assert first_mismatch(frames, frames.copy()) is None


def test_earliest_step_is_named_before_earlier_context() -> None:
    want = np.zeros((2, 5, 3), np.int16)
    got = want.copy()
    got[0, 4, 0] = 7
    got[1, 2, 1] = -1
    found = first_mismatch(want, got)
    assert found is not None
    assert (found.step, found.context, found.feature, found.got, found.count) == (2, 1, 1, -1, 2)
    assert str(found) == "step 2, context 1, output[1]: want 0, got -1 (2 values differ)"


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="expected"):
        first_mismatch(np.zeros((1, 2, 1), np.int16), np.zeros((1, 3, 1), np.int16))
