"""check, boards, models, doctor: looking before working."""

from __future__ import annotations

from pathlib import Path

from tqs_edge.artifacts import write_json
from tqs_edge.cli.console import complain, show, table
from tqs_edge.cli.options import FormOption, JsonOption, ModelArgument


def check(model: ModelArgument, form: FormOption = None) -> int:
    """Can MODEL be compiled? Lists every obstacle at once, before any work."""
    from tqs_edge.frontend.load import check as find_obstacles

    obstacles = find_obstacles(model, form=form)
    for obstacle in obstacles:
        complain(obstacle)
    if obstacles:
        return 2
    show(f"{model}: can be compiled")
    return 0


def boards(json: JsonOption = None) -> None:
    """The boards that firmware can be built for."""
    from tqs_edge.firmware.board import board_names, load_board

    records = []
    rows = table("Boards", "board", "<core", "flash", "RAM", "<simulators", "<description")
    for name in board_names():
        board = load_board(name)
        simulators = [
            *(["unicorn"] if board.core.unicorn else []),
            *(["qemu"] if board.qemu_machine else []),
        ]
        sizes = (f"{board.flash_bytes // 1024} K", f"{board.ram_bytes // 1024} K")
        rows.add_row(name, board.core.name, *sizes, ", ".join(simulators), board.description)
        records.append(
            {
                "board": name,
                "core": board.core.name,
                "isa": board.core.isa,
                "flash_bytes": board.flash_bytes,
                "ram_bytes": board.ram_bytes,
                "simulators": simulators,
            }
        )
    _show_or_write(rows, records, json)


def models(json: JsonOption = None) -> None:
    """The trained models that ship with tqs-edge, usable as zoo:NAME."""
    from tqs_edge.zoo import MODELS

    rows = table("Models", "model", "<form", "features", "horizon", "<description")
    records = []
    for name, card in MODELS.items():
        rows.add_row(
            f"zoo:{name}", card.form, str(card.features), str(card.horizon), card.description
        )
        records.append(
            {
                "model": f"zoo:{name}",
                "form": card.form,
                "features": card.features,
                "horizon": card.horizon,
                "nrmse": card.nrmse,
                "dataset": card.dataset,
                "licence": card.licence,
            }
        )
    _show_or_write(rows, records, json)


def doctor(json: JsonOption = None) -> int:
    """What is installed, what is missing and how to get it."""
    from tqs_edge.doctor import examine

    findings = examine()
    rows = table("Tools", "tool", "<version", "<for", "<to install")
    for f in findings:
        rows.add_row(f.name, f.version or "missing", f.purpose, "" if f.version else f.install)
    records: list[dict[str, object]] = [
        {"tool": f.name, "version": f.version, "purpose": f.purpose, "install": f.install}
        for f in findings
    ]
    _show_or_write(rows, records, json)
    have = {f.name for f in findings if f.version}
    if any(f.needed and not f.version for f in findings):
        show("Not ready: a required package is missing.")
        return 3
    if not have & {"ziglang", "arm-none-eabi-gcc"}:
        show("Not ready: no Arm compiler. Run: pip install ziglang")
        return 3
    if not have & {"unicorn", "qemu-system-arm"}:
        show("Not ready: no simulator. Run: pip install unicorn")
        return 3
    show("Ready.")
    return 0


def _show_or_write(rows: object, records: list[dict[str, object]], json: Path | None) -> None:
    if json is None:
        show(rows)
    else:
        write_json(json, records)
