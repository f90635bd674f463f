"""From a model file, a factory or a live module to a checked float step in canonical form."""

from tqs_edge.frontend.contexts import (
    Contexts,
    free_running_contexts,
    read_contexts,
    split_contexts,
)
from tqs_edge.frontend.load import LoadedModel, check, load_model

__all__ = [
    "Contexts",
    "LoadedModel",
    "check",
    "free_running_contexts",
    "load_model",
    "read_contexts",
    "split_contexts",
]
