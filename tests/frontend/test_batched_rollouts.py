"""Many contexts at once give what each gives alone, whatever the ranks of a step's tensors."""

from __future__ import annotations

import pytest
import torch

from tests.frontend.models import loaded, supported
from tqs_edge.graph.rollout import rollout

MODELS = tuple(supported())


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_rolls_out_like_its_members(name: str) -> None:
    model = loaded(name).model
    rows = max(2, model.context_length)
    contexts = torch.randn(2, 3, rows, model.features, generator=torch.Generator().manual_seed(0))
    exog = torch.ones(2, 3, rows + 5, model.exog) if model.exog else None
    together = rollout(model, contexts, 5, exog=exog)
    assert together.shape == (2, 3, 5, model.features)
    alone = rollout(model, contexts[1, 2], 5, exog=None if exog is None else exog[1, 2])
    torch.testing.assert_close(together[1, 2], alone)
