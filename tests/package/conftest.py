"""C packages of small models, written once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.passes.small_models import MODELS, Case, make_case
from tqs_edge.codegen.emit import emit
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.package.selftest import GoldenRollout
from tqs_edge.package.write import write_c_package
from tqs_edge.passes.lower import lower
from tqs_edge.pipeline.c_package import golden_rollout

# Every form: recurrent, with exogenous inputs, windowed with two rows per step, without a state.
NAMES = ("gru", "lstm", "window_network", "midpoint", "kept_exog_blocks")


@dataclass(frozen=True, eq=False)
class Written:
    """A package on disk and what it was written from."""

    folder: Path
    name: str
    case: Case
    bundle: SourceBundle
    golden: GoldenRollout

    @property
    def sources(self) -> list[Path]:
        """The C files of the library."""
        return sorted((self.folder / "src").rglob("*.c"))

    @property
    def selftest(self) -> Path:
        return self.folder / "examples" / "selftest" / f"{self.name}_selftest.c"

    @property
    def includes(self) -> list[str]:
        return [f"-I{self.folder / 'src'}", f"-I{self.selftest.parent}"]


def write(name: str, folder: Path, *, prefix: str | None = None, wrong: bool = False) -> Written:
    """The package of the small model `name`; `wrong` spoils one golden frame."""
    case = make_case(MODELS[name]())
    bundle = emit(lower(case.module, case.program), case.program, case.model, "0123abcd")
    exog = None if case.exog is None else case.exog[0]
    golden = golden_rollout(case.program, case.model, case.contexts[0], exog)
    if wrong:
        frames = golden.frames.copy()
        frames[-1, -1] ^= 1
        golden = replace(golden, frames=frames)
    prefix = prefix or name
    write_c_package(folder, bundle, prefix, f"{name}: a test", golden)
    return Written(folder, prefix, case, bundle, golden)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Written]:
    """written("gru"): the package of that small model."""
    made: dict[str, Written] = {}

    def make(name: str) -> Written:
        if name not in made:
            made[name] = write(name, tmp_path_factory.mktemp(name) / "package")
        return made[name]

    return make
