"""From model to verified firmware, for every rollout form."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tqs_edge
from tests.cli import factories
from tqs_edge import api
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import BudgetInfeasible, InputError, RunnerError
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain
from tqs_edge.pipeline.directory import read_package
from tqs_edge.pipeline.verification import executions_of, verify_rollouts
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.error_target import ErrorTarget
from tqs_edge.run.runner import run
from tqs_edge.verify.reference import quantize_inputs

pytestmark = [pytest.mark.arm, pytest.mark.qemu, pytest.mark.unicorn]
Compiled = Callable[..., tuple[Path, dict[str, Any]]]


@pytest.mark.parametrize("factory", ["small_gru", "window", "residual_map"])
@pytest.mark.parametrize("uniform", ["a16w8", "a8w4"])
def test_every_form_is_bit_exact(factory: str, uniform: str, compiled: Compiled) -> None:
    _, report = compiled(factory, uniform=uniform)
    links = report["bit_exact"]
    assert {name.split(":")[0] for name in links} == {"llvm", "host", "unicorn", "qemu"}
    assert all(links.values()), report["mismatches"]
    assert report["rollout"]["nrmse"] < (0.1 if uniform == "a16w8" else 3.0)


def test_a_model_without_weights_compiles(compiled: Compiled) -> None:
    _, report = compiled("leaky")
    assert all(report["bit_exact"].values()) and report["rollout"]["nrmse"] < 0.02


@pytest.mark.slow
def test_streaming_takes_a_row_where_the_window_takes_all(compiled: Compiled) -> None:
    _, report = compiled("causal")
    _, window = compiled("causal", stream=False)
    for each in (report, window):
        assert all(each["bit_exact"].values()) and each["rollout"]["nrmse"] < 0.05
    assert 10 * report["instructions_per_step"] < window["instructions_per_step"]
    assert report["ram_bytes"] < window["ram_bytes"]


def test_exogenous_inputs_reach_the_firmware(compiled: Compiled, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "c.npy", rng.normal(size=(4, 6, 2)).astype(np.float32))
    np.save(tmp_path / "e.npy", rng.normal(size=(4, 29, 1)).astype(np.float32))
    _, report = compiled("driven", context=tmp_path / "c.npy", exog=tmp_path / "e.npy")
    assert all(report["bit_exact"].values()) and report["rollout"]["nrmse"] < 0.1


def test_searched_plan_keeps_its_budget(compiled: Compiled) -> None:
    _, report = compiled("small_gru", uniform=None, budget=Budget(flash=3300, ram=600, insns=6000))
    assert report["flash_bytes"] <= 3300 and report["ram_bytes"] <= 600
    assert report["instructions_per_step"] <= 6000
    assert all(report["bit_exact"].values())
    assert set(report["tqs"]) and all(s["gain"] >= 0 for s in report["tqs"].values())


@pytest.mark.slow
def test_same_input_same_bytes(compiled: Compiled, tmp_path: Path) -> None:
    first, _ = compiled("small_gru")
    model, inputs = factories.small_gru()
    second = tmp_path / "again"
    tqs_edge.compile(
        model,
        example_inputs=inputs,
        output=second,
        board="mps2-an386",
        uniform="a16w8",
        horizon=24,
    )
    names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_manifest_names_every_source_and_image(compiled: Compiled) -> None:
    directory, _ = compiled("small_gru")
    manifest = json.loads((directory / "manifest.json").read_text())
    assert set(manifest["firmware"]) == {"firmware.elf", "firmware.hex", "firmware.bin"}
    package = directory / "package"
    files = {p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file()}
    assert set(manifest["sources"]) == files - {"MODEL_CARD.md"}
    assert {"tqs-edge", "apache-tvm", "torch", "gcc"} <= set(manifest["tools"])


def test_written_files_hold_no_machine_path(compiled: Compiled) -> None:
    directory, _ = compiled("small_gru")
    here = str(Path(__file__).parents[2]).encode()
    for path in directory.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert here not in data and str(directory).encode() not in data, path.name


def test_simulation_returns_real_units(compiled: Compiled) -> None:
    directory, report = compiled("small_gru")
    frames, log = api.simulate(directory, runner="unicorn")
    shown = np.array(report["rollout"]["integer_frames"])
    assert frames.dtype == np.float32 and np.allclose(frames[: len(shown)], shown, atol=1e-5)
    assert log.instructions_per_step is not None and log.stack_bytes is not None
    assert log.stack_bytes <= report["stack_bound_bytes"]
    bound = f"| stack of one step | at most {report['step_stack_bound_bytes']} B over all paths"
    assert bound in (directory / "package" / "MODEL_CARD.md").read_text()
    longer, _ = api.simulate(directory, runner="qemu", horizon=40)
    assert np.array_equal(longer[:, :24], frames)


def test_changed_firmware_is_noticed(compiled: Compiled, tmp_path: Path) -> None:
    import shutil

    directory, _ = compiled("small_gru")
    copy = tmp_path / "copy"
    shutil.copytree(directory, copy)
    data = bytearray((copy / "firmware.bin").read_bytes())
    data[-1] ^= 1
    (copy / "firmware.bin").write_bytes(data)
    with pytest.raises(InputError, match="changed"):
        api.verify(copy)


def with_weights(bundle: SourceBundle, change: Callable[[re.Match[str]], str]) -> SourceBundle:
    """The bundle with the CRC-32 and the first word of 8-bit weights of its sources changed."""
    name = "model_weights.c"
    sum_and_word = r"#else\n#define TQS_MODEL_CRC 0x(\w{8})u.*?TQS_W8\(0x(\w{8})u"
    text = re.sub(sum_and_word, change, bundle.files[name], count=1, flags=re.S)
    assert text != bundle.files[name]
    return replace(bundle, files={**bundle.files, name: text})


def test_wrong_weight_breaks_the_chain(compiled: Compiled, tmp_path: Path) -> None:
    """The check can fail: one weight word of the C sources is changed, and the CRC with it."""
    package = read_package(compiled("small_gru")[0])
    image = bytearray.fromhex(package.lowered.bundle.image)
    image[32:36] = b"\x7f\x7f\x7f\x7f"
    crc = zlib.crc32(image[32:], zlib.crc32(image[:28]))

    def change(match: re.Match[str]) -> str:
        return match[0].replace(match[1], f"{crc:08x}").replace(match[2], "7f7f7f7f")

    bundle = with_weights(package.lowered.bundle, change)
    firmware = build(bundle, package.firmware.board, find_toolchain("gcc"), tmp_path)
    result = verify_rollouts(
        package.lowered, executions_of(firmware, "unicorn"), package.trials, package.horizon
    )
    exact = {link.name.split(":")[0]: link.exact for link in result.links}
    assert exact == {"llvm": True, "host": False, "unicorn": False}
    mismatch = result.links[-1].mismatch
    assert mismatch is not None and mismatch.want != mismatch.got


@pytest.mark.parametrize("runner", ["host", "unicorn", "qemu"])
def test_firmware_refuses_weights_that_do_not_match_their_crc(
    runner: str, compiled: Compiled, tmp_path: Path
) -> None:
    package = read_package(compiled("small_gru")[0])
    bundle = with_weights(package.lowered.bundle, lambda m: m[0].replace(m[2], "7f7f7f7f"))
    firmware = build(bundle, package.firmware.board, find_toolchain("gcc"), tmp_path)
    contexts, _ = quantize_inputs(package.lowered.program, package.trials.contexts, None)
    with pytest.raises(RunnerError, match=r"refuse[ds] (the model's|its) weights|status 5"):
        run(firmware, contexts, 4, exog=None, runner=runner)


@pytest.mark.slow
def test_the_cheapest_plan_errs_no_more_than_allowed(compiled: Compiled) -> None:
    def bytes_at(nrmse: float) -> int:
        target = ErrorTarget(nrmse)
        _, report = compiled("small_gru", uniform=None, target=target, act_bits=16)
        assert all(report["bit_exact"].values())
        assert report["rollout"]["nrmse"] < 2 * nrmse  # the contexts that judge were not planned on
        return int(report["flash_bytes"])

    assert bytes_at(0.1) < bytes_at(0.003)
    with pytest.raises(BudgetInfeasible, match="errs by"):
        bytes_at(1e-9)
