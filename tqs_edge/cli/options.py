"""Arguments and options that several verbs share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tqs_edge.backends.choose import BackendName
from tqs_edge.errors import InputError
from tqs_edge.graph.rollout_model import RolloutForm

if TYPE_CHECKING:
    from tqs_edge.plan.budget import Budget
    from tqs_edge.plan.error_target import ErrorTarget

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A .pt2 or .onnx file, zoo:NAME, or package.module:factory (runs that Python code).",
    ),
]
FormOption = Annotated[
    RolloutForm | None, typer.Option("--form", help="The rollout form, where it is not inferred.")
]
StreamOption = Annotated[
    bool,
    typer.Option(help="Compute only what a new row of the window changes, where that saves much."),
]
HorizonOption = Annotated[
    int | None,
    typer.Option("--horizon", min=1, help="Steps to roll out (zoo: its own; 120)."),
]
ContextOption = Annotated[
    Path | None,
    typer.Option("--context", help=".npy [contexts, L, F] or .csv; without: free-running."),
]
ExogOption = Annotated[
    Path | None, typer.Option("--exog", help="Exogenous inputs, .npy [contexts, rows, E] or .csv.")
]
BoardOption = Annotated[str, typer.Option("--board", help="See `tqs-edge boards`.")]
CompilerOption = Annotated[
    str | None, typer.Option("--compiler", help="gcc or zig; gcc where it is installed.")
]
OptimizeOption = Annotated[
    str,
    typer.Option(
        "--optimize",
        help="size (short kernels), balanced or speed; same frames. Plans are costed as balanced, "
        "and measured where a budget is given.",
    ),
]
RunnerOption = Annotated[
    str | None,
    typer.Option("--runner", help="unicorn, qemu, qemu-user, host; the first that fits."),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Write flat records here instead of a table.")
]
FlashOption = Annotated[str | None, typer.Option("--flash", help="Flash for the firmware: 24K.")]
RamOption = Annotated[str | None, typer.Option("--ram", help="RAM incl. stack: 8K.")]
InsnsOption = Annotated[int | None, typer.Option("--insns", min=1, help="Instructions per step.")]
AvgBitsOption = Annotated[
    float | None, typer.Option("--avg-bits", help="Average bits per weight: 5.")
]
MaxNrmseOption = Annotated[
    float | None,
    typer.Option(
        "--max-nrmse",
        help="The cheapest plan whose rollout errs at most by that many standard deviations: 0.01.",
    ),
]
MinimizeOption = Annotated[
    str | None,
    typer.Option("--minimize", help="With --max-nrmse: flash (the default), insns or avg-bits."),
]
WeightBitsOption = Annotated[
    int | None, typer.Option("--weight-bits", help="Fix all weights at 2, 4, 8 or 16 bits.")
]
ActBitsOption = Annotated[
    int | None, typer.Option("--act-bits", help="Fix all activations at 8 or 16 bits.")
]
PinOption = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        metavar="NAME=BITS",
        help="Decide a width: head=8, cell.weight_hh[0:32]=16, act:h=16; repeatable.",
    ),
]
BlockRowsOption = Annotated[
    int, typer.Option("--block-rows", min=1, help="Rows of a weight that share one width.")
]
StateBitsOption = Annotated[
    int | None, typer.Option("--state-bits", help="Fix all states at 8, 16 or 32 bits.")
]
MethodOption = Annotated[
    str, typer.Option("--method", help="tqs (scores), exact (measured damage) or greedy.")
]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw it: FILE.svg or FILE.html.")
]
ToleranceOption = Annotated[
    float, typer.Option("--tolerance", help="Rollout error to allow, as a part of the signal.")
]
BackendOption = Annotated[
    BackendName | None,
    typer.Option("--backend", help="What runs the model (graph)."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", help="The torch back end's device: cpu, cuda, ...")
]
RoundingOption = Annotated[
    str,
    typer.Option(
        "--rounding", help="Integers: fitted to the rollout, nearest, or auto (fitted if small)."
    ),
]
FeedbackOption = Annotated[
    str,
    typer.Option(
        "--error-feedback",
        help="8-bit activations carry rounding errors to the next step: on, off, or auto (where"
        " the rollout errs less by it).",
    ),
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Prefix of the C package; default: the model's name.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of all probes.")]


def parse_bytes(text: str | None, option: str) -> int | None:
    """24K -> 24576, 1M -> 1048576, 900 -> 900; InputError for anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmM]?)(?:i?[bB])?", text.strip())
    if match is None or float(match[1]) <= 0:
        raise InputError(f"{option} '{text}' is not a size; write for example 24K or 8192")
    return int(float(match[1]) * {"": 1, "k": 1024, "m": 1024 * 1024}[match[2].lower()])


def parse_budget(
    flash: str | None, ram: str | None, insns: int | None, avg_bits: float | None
) -> Budget:
    """The limits of --flash, --ram, --insns and --avg-bits; InputError as `parse_bytes`."""
    from tqs_edge.plan.budget import Budget

    return Budget(parse_bytes(flash, "--flash"), parse_bytes(ram, "--ram"), insns, avg_bits)


def parse_target(max_nrmse: float | None, minimize: str | None) -> ErrorTarget | None:
    """--max-nrmse and --minimize; InputError for one without the other, or a wrong value."""
    from tqs_edge.plan.error_target import ErrorTarget

    if max_nrmse is None:
        if minimize is not None:
            raise InputError("--minimize says what --max-nrmse spends least of; give both")
        return None
    return ErrorTarget(max_nrmse, (minimize or "flash").replace("-", "_"))
