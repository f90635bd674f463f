"""The generated C package as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SourceBundle:
    """Generated C99 files and what else they need to be compiled.

    files: relative name -> text ("model.h", "model.c", "model_api.c", "model_weights.c")
    kernels: names of the files of kernels/ that the model calls ("tqs_dense_a16w4.c")
    arena_bytes, state_bytes, weight_bytes: what the model needs of RAM, RAM and flash
    model_hash: TQS_MODEL_HASH of model.h
    program_id: TQS_MODEL_PROGRAM of model.h: which weights images the code takes
    image, image_v6m: the weights image of model_weights.c in hexadecimal, that of Armv6-M aside
    """

    files: Mapping[str, str]
    kernels: tuple[str, ...]
    arena_bytes: int
    state_bytes: int
    weight_bytes: int
    model_hash: str
    program_id: str
    image: str
    image_v6m: str

    def image_for(self, isa: str) -> bytes:
        """The weights image as cores of class `isa` take it."""
        return bytes.fromhex(self.image_v6m if isa == "v6m" else self.image)
