"""flash: the last step, onto a real board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tqs_edge.cli.build import PackageArgument
from tqs_edge.cli.console import show, stage
from tqs_edge.cli.probes import ProbeOption, probe_picker

if TYPE_CHECKING:
    from tqs_edge.pipeline.flashing import FlashOptions


def flash(
    directory: PackageArgument,
    probe: ProbeOption = None,
    tool: Annotated[
        str | None,
        typer.Option(
            help="pyocd, openocd, probe-rs, st-flash, dfu-util, picotool, uf2 (the board's)."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done.")] = False,
    backup: Annotated[
        Path | None, typer.Option(help="Save the old content of the flash first, as .hex.")
    ] = None,
    restore: Annotated[
        Path | None, typer.Option(help="Write this .hex (a backup) instead of the firmware.")
    ] = None,
    chip_erase: Annotated[
        bool, typer.Option("--chip-erase", help="Erase all of the flash, not only what is written.")
    ] = False,
    unlock: Annotated[
        bool, typer.Option("--unlock", help="Mass-erase a part that is locked against debuggers.")
    ] = False,
    drive: Annotated[
        Path | None, typer.Option(help="Folder of the boot loader's drive (uf2).")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds for all of it.")] = 120.0,
) -> None:
    """Writes the firmware in DIR to its board, reads it back, compares and restarts the board."""
    from tqs_edge.pipeline.flashing import FlashOptions, describe_flash

    options = FlashOptions(
        tool=tool,
        probe=probe,
        backup=backup,
        restore=restore,
        chip_erase=chip_erase,
        unlock=unlock,
        drive=drive,
        timeout=timeout,
    )
    if dry_run:
        for line in describe_flash(directory, options):
            show(line)
        return
    _write(directory, options)


def _write(directory: Path, options: FlashOptions) -> None:
    from tqs_edge.flash.job import Stage
    from tqs_edge.pipeline.flashing import choose_flash_probe, flash_package

    options = choose_flash_probe(directory, options, probe_picker())
    stages = list(Stage)
    with stage("flash") as advance:

        def progress(now: Stage, part: float) -> None:
            advance(int(100 * (stages.index(now) + part)), 100 * len(stages))

        flashed, job = flash_package(directory, options, progress)
    compared = "read back and equal" if flashed.read_back else "NOT read back: the tool cannot"
    through = flashed.tool + (f", probe {flashed.probe}" if flashed.probe else "")
    show(f"{job.board.name}: {job.bytes} bytes written ({through}), {compared}, restarted")
    if options.backup is not None:
        restore = f"tqs-edge flash {directory} --restore {options.backup}"
        show(f"Old content: {options.backup} (to get it back: {restore})")
