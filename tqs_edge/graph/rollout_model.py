"""A step function together with the way it is rolled out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tqs_edge.graph.graph import Graph


class RolloutForm(StrEnum):
    """How an output becomes the next input."""

    RECURRENT = "recurrent"  # forward(x[1,F], *state) -> (y[1,F], *state'); streaming: K rows
    WINDOWED = "windowed"  # forward(window[1,L,F]) -> y[1,K,F], appended to the window
    MAP = "map"  # x' = f(x)


@dataclass(frozen=True)
class RolloutModel:
    """A float step function ready to be scored and lowered.

    length:   L, rows that a call takes: of the window; else those of the output, K
    features: F, columns of the context and of the output
    block:    K, rows that one step appends (1 unless windowed or streaming)
    exog:     E, exogenous values known in advance that a call takes (0 without)
    context_length: rows of context a rollout needs at least; where they are more than
              `least_context`, rows of zeros may come before those of the context
    source:   what the user named: a file name, "zoo:NAME" or "package.module:factory"
    exog_rows: R, moments that those values are of: the last R up to `exog_lead` moments behind that
              of the newest row that the call takes
    window:   L of the windowed model that this is the streaming form of, else 0
    """

    name: str
    source: str
    graph: Graph
    form: RolloutForm
    length: int
    features: int
    block: int
    exog: int
    context_length: int
    exog_rows: int = 1
    window: int = 0

    @property
    def streams(self) -> bool:
        """Whether it is the streaming form of a windowed model."""
        return self.window > 0

    @property
    def least_context(self) -> int:
        """Rows of context that have to be known: of a streaming model those of the window."""
        return self.window or self.context_length

    @property
    def exog_lead(self) -> int:
        """Moments from the newest row that a call takes to its newest exogenous row: K where that
        is of the last row forecast, 0 of other recurrent models and maps."""
        return self.block if self.streams or self.form is RolloutForm.WINDOWED else 0
