"""A retrained model's weights for firmware that is compiled already."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tqs_edge
from tests.cli import factories
from tests.cli.conftest import Cli
from tests.cli.conftest import cli as cli
from tests.codegen.c_package import CPackage
from tests.package.test_weights_image import OK, aligned
from tqs_edge.errors import InputError
from tqs_edge.pipeline import weights_update
from tqs_edge.pipeline.directory import read_package
from tqs_edge.pipeline.weights_update import WeightsUpdate, write_weights
from tqs_edge.plan.rounding import Fit
from tqs_edge.verify.reference import run_reference

HORIZON = 24
pytestmark = [pytest.mark.arm, pytest.mark.qemu]


def exported(path: Path, factor: float, features: int = 2) -> Path:
    """small_gru with every weight scaled and shaken, as a .pt2 file."""
    model, inputs = factories.small_gru()
    if features != 2:
        model, inputs = nn.Linear(features, features).eval(), (torch.zeros(1, features),)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= factor
            parameter += 0.01 * torch.randn(parameter.shape, generator=torch.manual_seed(5))
    torch.export.save(torch.export.export(model, inputs), path)
    return path


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, inputs = factories.small_gru()
    output = tmp_path_factory.mktemp("update") / "out"
    options: dict[str, Any] = {"board": "mps2-an386", "uniform": "a16w4", "horizon": HORIZON}
    options |= {"runner": "host"}
    tqs_edge.compile(model, example_inputs=inputs, output=output, **options)
    return output


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What small_gru became by training on."""
    return str(exported(tmp_path_factory.mktemp("new") / "new.pt2", 0.97))


@pytest.fixture(scope="module")
def written(
    directory: Path, new: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], WeightsUpdate]:
    """written("auto"): the new weights with integers so rounded, made once."""
    image = tmp_path_factory.mktemp("written") / "w.bin"
    return functools.cache(lambda how: write_weights(directory, new, image, rounding=how))


Written = Callable[[str], WeightsUpdate]


def test_fitted_integers_bring_the_accuracy_back(written: Written) -> None:
    fitted, nearest = written("auto"), written("nearest")
    assert fitted.fitted and not nearest.fitted and fitted.remark == nearest.remark == ""
    assert fitted.error.nrmse < 0.3 * nearest.error.nrmse
    assert len(fitted.image) == len(nearest.image)


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "integers fitted to the rollout"), (("--rounding", "nearest"), "nearest integers")],
)
def test_the_command_says_which_integers_were_written(
    words: tuple[str, ...], said: str, cli: Cli, directory: Path, new: str, tmp_path: Path
) -> None:
    image = tmp_path / "w.bin"
    outcome = cli("weights", directory, new, "-o", image, *words)
    assert outcome.status == 0 and outcome.out.rstrip().endswith(said), outcome.err
    assert f"{image}, {image.stat().st_size} B" in outcome.out
    wrong = cli("weights", directory, new, "-o", image, "--rounding", "up")
    assert wrong.status == 2 and "no rounding 'up'; use one of auto, fitted" in wrong.errors[0]


def test_fitted_integers_that_need_other_code_give_way_to_the_nearest(
    directory: Path,
    new: str,
    written: Written,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Weights nine times as large fit no image; so do fitted ones that somehow became so."""
    fits = weights_update.fit_plans

    def enlarged(*words: Any, **options: Any) -> tuple[Fit, ...]:
        found = []
        for fit in fits(*words, **options):
            weights = {p: replace(w, scales=9e3 * w.scales) for p, w in fit.plan.fitted.items()}
            found.append(replace(fit, plan=replace(fit.plan, fitted=weights)))
        return tuple(found)

    monkeypatch.setattr(weights_update, "fit_plans", enlarged)
    update = write_weights(directory, new, tmp_path / "w.bin")
    assert not update.fitted and "compile the model anew" in update.remark
    assert update.image == written("nearest").image == (tmp_path / "w.bin").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("stream", [True, False])
def test_a_windowed_model_is_updated_in_the_form_that_was_compiled(
    stream: bool, tmp_path: Path
) -> None:
    model, inputs = factories.causal()
    options: dict[str, Any] = {"board": "mps2-an386", "uniform": "a16w8", "horizon": 8}
    options |= {"stream": stream, "rounding": "nearest", "runner": "host"}
    tqs_edge.compile(model, example_inputs=inputs, output=tmp_path / "out", **options)
    assert read_package(tmp_path / "out").lowered.model.streams == stream
    torch.export.save(torch.export.export(model, inputs), tmp_path / "same.pt2")
    update = write_weights(
        tmp_path / "out", str(tmp_path / "same.pt2"), tmp_path / "w.bin", rounding="nearest"
    )
    assert update.image == (tmp_path / "out" / "package" / "weights.bin").read_bytes()


class Rectified(nn.Module):
    """One step of a residual perceptron."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second = nn.Linear(2, 12), nn.Linear(12, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.9 * x + 0.2 * self.second(torch.relu(self.first(x)))


def test_biases_of_new_weights_take_in_the_zero_points_of_the_program(tmp_path: Path) -> None:
    model, inputs = Rectified().eval(), (torch.zeros(1, 2),)
    options: dict[str, Any] = {"board": "mps2-an386", "uniform": "a8w8", "horizon": HORIZON}
    options |= {"runner": "host", "rounding": "nearest"}
    tqs_edge.compile(model, example_inputs=inputs, output=tmp_path / "out", **options)
    lowered = read_package(tmp_path / "out").lowered
    read = next(t for t in lowered.program.tensors.values() if t.bits == 8 and t.zero_point)
    assert lowered.plan.spans
    with torch.no_grad():
        model.second.weight.copy_(model.second.weight.flip(0))  # the rows' sums change places
    torch.export.save(torch.export.export(model, inputs), tmp_path / "new.pt2")
    update = write_weights(
        tmp_path / "out", str(tmp_path / "new.pt2"), tmp_path / "w.bin", rounding="nearest"
    )
    assert update.program.tensors[read.name] == read
    package = CPackage(lowered.bundle, lowered.model, tmp_path)
    assert package.init(aligned(update.image)) == OK
    context = np.full((4, 2), 3000, np.int16)
    frames = package.rollout(context, HORIZON)
    want = run_reference(update.program, lowered.model, context[np.newaxis], HORIZON).frames[0]
    np.testing.assert_array_equal(frames, want)


@pytest.mark.parametrize("rounding", ["fitted", "nearest"])
def test_the_old_program_runs_the_new_weights(
    rounding: str, directory: Path, new: str, tmp_path: Path
) -> None:
    update = write_weights(directory, new, tmp_path / "w.bin", rounding=rounding)
    lowered = read_package(directory).lowered
    image = (tmp_path / "w.bin").read_bytes()
    assert image != bytes.fromhex(lowered.bundle.image) and image == update.image
    package = CPackage(lowered.bundle, lowered.model, tmp_path)
    context = np.full((4, 2), 3000, np.int16)
    before = package.rollout(context, HORIZON)
    assert package.init(aligned(image)) == OK
    frames = package.rollout(context, HORIZON)
    want = run_reference(update.program, lowered.model, context[np.newaxis], HORIZON).frames[0]
    np.testing.assert_array_equal(frames, want)
    assert (frames != before).any()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"factor": 9.0}, "compile the model anew"),
        ({"factor": 1.0, "features": 3}, "want recurrent"),
    ],
)
def test_what_does_not_fit_is_an_error(
    change: dict[str, Any], message: str, directory: Path, tmp_path: Path
) -> None:
    new = exported(tmp_path / "new.pt2", **change)
    with pytest.raises(InputError, match=message):
        write_weights(directory, str(new), tmp_path / "w.bin")
    assert not (tmp_path / "w.bin").exists()
