"""flash: the last step, onto a real board."""

from __future__ import annotations

from typing import Annotated

import typer

from tqs_edge.cli.build import PackageArgument
from tqs_edge.errors import InputError


def flash(
    directory: PackageArgument,
    probe: Annotated[str | None, typer.Option(help="Serial number of the debug probe.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be done.")] = False,
) -> None:
    """Writes the firmware in DIR to a real board."""
    from tqs_edge.pipeline.directory import read_package

    firmware = read_package(directory).firmware
    image = directory / "firmware.hex"
    raise InputError(
        f"no flasher is configured for board '{firmware.board.name}': this version builds and "
        f"simulates only; write '{image}' with your own tool"
        + (f" through probe {probe}" if probe else "")
        + (" (dry run: nothing was touched)" if dry_run else "")
    )
