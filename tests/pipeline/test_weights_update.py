"""A retrained model's weights for firmware that is compiled already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tqs_edge
from tests.cli import factories
from tests.codegen.c_package import CPackage
from tests.package.test_weights_image import OK, aligned
from tqs_edge.errors import InputError
from tqs_edge.pipeline.directory import read_package
from tqs_edge.pipeline.weights_update import write_weights
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
    options: dict[str, Any] = {"board": "mps2-an386", "uniform": "a16w8", "horizon": HORIZON}
    tqs_edge.compile(model, example_inputs=inputs, output=output, **options)
    return output


def test_the_old_program_runs_the_new_weights(directory: Path, tmp_path: Path) -> None:
    update = write_weights(directory, str(exported(tmp_path / "new.pt2", 0.97)), tmp_path / "w.bin")
    assert update.error.nrmse < 0.05
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
