"""Small compiled packages that several tests read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tqs_edge
from tests.cli import factories
from tests.cli.conftest import models_load_once as models_load_once

BOARD = "mps2-an386"
Compiled = Callable[..., tuple[Path, dict[str, Any]]]


@pytest.fixture(scope="session")
def compiled(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """compiled("small_gru", **options) -> (directory, report), made once per request."""
    made: dict[str, tuple[Path, dict[str, Any]]] = {}

    def make(factory: str, **options: Any) -> tuple[Path, dict[str, Any]]:
        asked = {"board": BOARD, "uniform": "a16w8", "horizon": 24} | options
        key = repr((factory, sorted(asked.items())))
        if key not in made:
            model, inputs = getattr(factories, factory)()
            directory = tmp_path_factory.mktemp("package") / "out"
            report = tqs_edge.compile(model, example_inputs=inputs, output=directory, **asked)
            made[key] = directory, report
        return made[key]

    return make
