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
    context_length: rows of context a rollout needs at least
    source:   what the user named: a file name, "zoo:NAME" or "package.module:factory"
    exog_rows: R, moments that those values are of; of a windowed model the last R up to the last
              row that the call forecasts, else the moment of the row it takes
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

    @property
    def streams(self) -> bool:
        """Whether it is the streaming form of a windowed model, which keeps rows."""
        return any(state.rows_of is not None for state in self.graph.states)
