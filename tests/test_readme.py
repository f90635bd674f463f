"""What the README tells people to do is what works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.mark.slow
@pytest.mark.arm
def test_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = blocks("python")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(example, "README.md", "exec"), names)
    assert all(names["report"]["bit_exact"].values())
    assert (tmp_path / "forecaster" / "package" / "src" / "forecaster.c").exists()


def test_every_command_is_a_verb_with_those_options() -> None:
    from typer.main import get_command

    from tqs_edge.cli.app import app

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    used = re.findall(r"tqs-edge ([a-z]+)([^\n`#]*)", "\n".join(blocks("sh")) + README)
    assert len(used) > 8
    for verb, rest in used:
        if verb == "edge":
            continue
        assert verb in verbs, verb
        command = verbs[verb]
        if verb == "bench":
            name = rest.split()[0] if rest.split() else ""
            assert name in command.commands, rest
            command = command.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest):
            assert option in known, f"{verb} {option}"


def test_ci_runs_the_readmes_installation_and_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    install = next(block for block in blocks("sh") if "apt-get" in block)
    packages = re.search(r"packages=\((.*?)\)", script, re.S)
    assert packages is not None
    for package in packages[1].split():
        assert f" {package} " in install
    assert "torch==2.13.0 -e '.[dev]'" in install and "torch==2.13.0 -e '.[dev]'" in script
    assert install.strip().endswith(".venv/bin/python -m pytest -n 2 --slow")
    assert script.strip().endswith(".venv/bin/python -m pytest -n 2 --slow")
