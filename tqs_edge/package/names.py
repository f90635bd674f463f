"""The model's name as a prefix of C identifiers, and sources under that prefix."""

from __future__ import annotations

import re

from tqs_edge.errors import InputError
from tqs_edge.graph.reserved_names import is_reserved

MAX_LENGTH = 31
CPP_WORDS = frozenset(
    "and bool catch class compl concept delete explicit export false friend mutable namespace new "
    "not nullptr operator or private protected public requires template this throw true try "
    "typeid typename using virtual xor main".split()
)
# Headers that another file may include by the name that the model's header would take.
HEADERS = frozenset(
    "arduino assert complex ctype errno fenv float inttypes limits locale math model setjmp signal "
    "stdarg stdbool stddef stdint stdio stdlib string time".split()
)
# Targets that CMake's generators and CTest make themselves (policy CMP0037).
CMAKE_TARGETS = frozenset(
    "all clean depend edit_cache help install install_strip list_install_components package "
    "package_source preinstall rebuild_cache test".split()
)


def c_name(model: str) -> str:
    """The prefix for a model of any name: "gru-4x32" gives "gru_4x32", "2d" gives "model_2d"."""
    name = re.sub(r"\W+", "_", model, flags=re.ASCII).strip("_").lower()[:MAX_LENGTH].rstrip("_")
    if not name:
        return "forecast"
    if name[0].isdigit() or not _is_free(name):
        return f"model_{name}"[:MAX_LENGTH]
    return name


def checked_name(name: str) -> str:
    """`name` where it can be a prefix of C and C++ identifiers, a header and a target of CMake;
    else InputError."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > MAX_LENGTH or name[-1] == "_":
        raise InputError(
            f"--name '{name}' is no C prefix; use up to {MAX_LENGTH} lower-case letters, digits "
            "and inner underscores, a letter first"
        )
    if not _is_free(name):
        raise InputError(
            f"--name '{name}' has a meaning in C, C++ or CMake already; choose another"
        )
    return name


def renamed(text: str, name: str, kernels: tuple[str, ...] = ()) -> str:
    """C text with tqs_model_, TQS_MODEL_ and "model.h" under `name`.

    kernels: symbols of kernels/ that get the prefix too ("tqs_dense_a16w8"), so that packages of
    two models, perhaps from two versions of tqs_edge, link into one firmware. Names of files of
    kernels/ stay.
    """
    text = re.sub(r"\btqs_model_", f"{name}_", text)
    text = re.sub(r"\bTQS_MODEL_", f"{name.upper()}_", text)
    text = re.sub(r'"model(_\w+)?\.h"', rf'"{name}\1.h"', text)
    if kernels:
        symbols = "|".join(sorted((k.removeprefix("tqs_") for k in kernels), key=len, reverse=True))
        text = re.sub(rf"\btqs_({symbols})\b(?!\.)", rf"{name}_\1", text)
    return text


def _is_free(name: str) -> bool:
    return not (is_reserved(name) or name in CPP_WORDS | HEADERS | CMAKE_TARGETS)
