"""Context windows of the model's own making."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.graphs import gru_graph, linear_map
from tqs_edge.errors import InputError, NonFiniteRollout
from tqs_edge.sensitivity.contexts import own_contexts


def test_windows_have_the_length_the_model_needs_and_repeat() -> None:
    model = replace(gru_graph(0, hidden=8), context_length=5)
    windows = own_contexts(model, 3)
    assert windows.shape == (3, 5, 4) and windows.dtype == np.float32
    assert (windows == own_contexts(model, 3)).all()


def test_runaway_models_are_refused() -> None:
    with pytest.raises(NonFiniteRollout, match="give context windows"):
        own_contexts(linear_map([[9.0]]))


def test_models_with_exogenous_inputs_are_refused() -> None:
    with pytest.raises(InputError, match="exogenous"):
        own_contexts(replace(gru_graph(0), exog=1))
