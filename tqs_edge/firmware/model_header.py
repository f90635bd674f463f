"""The dimensions of a generated model, read from its model.h."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tqs_edge.errors import InputError


@dataclass(frozen=True)
class ModelShape:
    """The macros of model.h: L, F, K, E, and whether a call takes L new rows, not a window."""

    length: int
    features: int
    block: int
    exog: int
    recurrent: bool

    def context_calls(self, context_rows: int) -> int:
        """How many calls of a rollout take rows of the context."""
        return -(-context_rows // self.length) if self.recurrent else 1

    def calls(self, context_rows: int, horizon: int) -> int:
        """How often a rollout calls tqs_model_step."""
        return self.context_calls(context_rows) - 1 + -(-horizon // self.block)


def model_shape(header: str) -> ModelShape:
    """The dimensions that a model.h states. Raises InputError when a macro is missing."""
    return ModelShape(
        length=_macro(header, "LENGTH"),
        features=_macro(header, "FEATURES"),
        block=_macro(header, "BLOCK"),
        exog=_macro(header, "EXOG"),
        recurrent=bool(_macro(header, "RECURRENT")),
    )


def _macro(header: str, name: str) -> int:
    match = re.search(rf"^#define TQS_MODEL_{name} \(?(\d+)\)?\s*(?:/\*.*)?$", header, re.MULTILINE)
    if match is None:
        raise InputError(f"model.h does not define TQS_MODEL_{name} as a number")
    return int(match.group(1))
