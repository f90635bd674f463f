"""weights: new weights for a compiled program, as a file for an update in the field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tqs_edge.cli.build import PackageArgument
from tqs_edge.cli.console import show, stage
from tqs_edge.cli.options import (
    ContextOption,
    ExogOption,
    ModelArgument,
    RoundingOption,
    SeedOption,
)


def weights(
    directory: PackageArgument,
    model: ModelArgument,
    output: Annotated[Path, typer.Option("-o", help="File to write.")],
    context: ContextOption = None,
    exog: ExogOption = None,
    rounding: RoundingOption = "auto",
    seed: SeedOption = 0,
) -> None:
    """Weights image of a retrained MODEL that the program compiled in DIR takes."""
    from tqs_edge.pipeline.weights_update import write_weights

    with stage("weights") as advance:
        update = write_weights(
            directory,
            model,
            output,
            context=context,
            exog=exog,
            rounding=rounding,
            seed=seed,
            progress=advance,
        )
    show(
        f"Written: {output}, {len(update.image)} B, model hash {update.model_hash[:16]}; nRMSE "
        f"against float {update.error.nrmse:.4f}, "
        + ("integers fitted to the rollout" if update.fitted else "nearest integers")
        + (f" ({update.remark})" if update.remark else "")
    )
