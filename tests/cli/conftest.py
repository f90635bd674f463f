"""Running the command line inside the test process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tqs_edge.cli.app import main
from tqs_edge.frontend import LoadedModel, load_model
from tqs_edge.pipeline import prepare


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


Cli = Callable[..., Outcome]


@functools.cache
def _loaded(name: str) -> LoadedModel:
    return load_model(name)


@pytest.fixture(autouse=True)
def models_load_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of the zoo and of factories.py are traced when one is first named."""

    def load(source: object, **options: object) -> LoadedModel:
        named = isinstance(source, str) and source.startswith(("tests.cli.factories:", "zoo:"))
        if named and not any(options.values()):
            return _loaded(source)
        return load_model(source, **options)

    monkeypatch.setattr(prepare, "load_model", load)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """cli("score", "zoo:x") -> Outcome."""

    def run(*words: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        code = exit_.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run
