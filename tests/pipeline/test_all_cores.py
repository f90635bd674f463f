"""The promise: six cores, both compilers, every simulator, every link bit-exact; and its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tqs_edge
from tests.report.browser import chromium, visit
from tests.report.test_html_in_browser import faults
from tqs_edge.artifacts import save
from tqs_edge.pipeline.prepare import prepare
from tqs_edge.plan.bit_plan import BitPlan, RowBlock

pytestmark = [
    pytest.mark.arm,
    pytest.mark.zig,
    pytest.mark.qemu,
    pytest.mark.unicorn,
    pytest.mark.slow,
]
MODEL, HORIZON = "zoo:gru-4x32", 100
CORES = {"arduino-zero", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"}


def plan_of_all_widths() -> BitPlan:
    """Weights of 2, 4, 8 and 16 bits in one tensor, activations of 8 and of 16 bits."""
    hidden = tuple(
        RowBlock(begin, begin + 24, bits) for begin, bits in ((0, 2), (24, 4), (48, 8), (72, 16))
    )
    weights = {
        "cell.weight_ih": (RowBlock(0, 48, 8), RowBlock(48, 96, 16)),
        "cell.weight_hh": hidden,
        "head.weight": (RowBlock(0, 4, 4),),
    }
    return BitPlan(weights, {"x": 16, "h": 8, "h_next": 16}, {"h": 16}, "every width")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("all")
    save(folder / "plan.json", plan_of_all_widths())
    tqs_edge.compile(
        MODEL,
        board="mps2-an386",
        output=folder / "out",
        plan=folder / "plan.json",
        horizon=HORIZON,
        all_cores=True,
    )
    return folder / "out"


def test_every_link_on_every_core_is_bit_exact(package: Path) -> None:
    report = json.loads((package / "report.json").read_text())
    assert (report["contexts"], report["horizon"]) == (16, HORIZON)
    links = report["bit_exact"]
    assert all(links.values()), report["mismatches"]
    compilers = ("gcc", "zig")
    riscv = {f"qemu:qemu-riscv32-virt:{compiler}" for compiler in compilers}
    on_qemu = {name for name in links if name.startswith("qemu:")} - riscv
    assert on_qemu == {f"qemu:{board}:{compiler}" for board in CORES for compiler in compilers}
    on_unicorn = {name for name in links if name.startswith("unicorn:")}
    assert len(on_unicorn) == 2 * (len(CORES) - 1)  # Unicorn has no Cortex-M55
    assert {"llvm", "host"} < set(links)


@pytest.mark.riscv
@pytest.mark.cortex_a
def test_links_on_other_cores_are_among_them(package: Path) -> None:
    links = json.loads((package / "report.json").read_text())["bit_exact"]
    for compiler in ("gcc", "zig"):
        assert f"qemu:qemu-riscv32-virt:{compiler}" in links
        for board in ("raspberry-pi-4", "raspberry-pi-5", "beaglebone-black"):
            assert f"qemu-user:{board}:{compiler}" in links


@pytest.mark.chromium
def test_real_report_is_drawn_in_a_browser(package: Path) -> None:
    with chromium() as browser:
        assert not faults(visit(browser, package / "report.html"))


def test_activation_names_of_the_plan_are_the_models() -> None:
    graph = prepare(MODEL, horizon=4).model.graph
    read = {node.inputs[0] for node in graph.dense_nodes()}
    assert read == set(plan_of_all_widths().activations)
