"""compile, simulate, verify: from plan to firmware that is proven on a simulator."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tqs_edge.cli.console import show, stage, table
from tqs_edge.cli.options import (
    ActBitsOption,
    AvgBitsOption,
    BlockRowsOption,
    BoardOption,
    CompilerOption,
    ContextOption,
    ExogOption,
    FeedbackOption,
    FlashOption,
    FormOption,
    HorizonOption,
    InsnsOption,
    MaxNrmseOption,
    MethodOption,
    MinimizeOption,
    ModelArgument,
    NameOption,
    OptimizeOption,
    PinOption,
    RamOption,
    RoundingOption,
    RunnerOption,
    SeedOption,
    StateBitsOption,
    StreamOption,
    WeightBitsOption,
    parse_budget,
    parse_target,
)
from tqs_edge.cli.probes import ProbeOption, probe_picker
from tqs_edge.errors import InputError
from tqs_edge.sensitivity.sites import BLOCK_ROWS

if TYPE_CHECKING:
    from tqs_edge.pipeline.verification import Verification
    from tqs_edge.plan.budget import Budget

PackageArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="What `tqs-edge compile -o DIR` wrote.")
]


def compile_(
    model: ModelArgument,
    board: BoardOption,
    output: Annotated[Path, typer.Option("-o", help="Directory to write.")],
    flash: FlashOption = None,
    ram: RamOption = None,
    insns: InsnsOption = None,
    avg_bits: AvgBitsOption = None,
    max_nrmse: MaxNrmseOption = None,
    minimize: MinimizeOption = None,
    weight_bits: WeightBitsOption = None,
    act_bits: ActBitsOption = None,
    state_bits: StateBitsOption = None,
    pin: PinOption = None,
    method: MethodOption = "tqs",
    rounding: RoundingOption = "auto",
    error_feedback: FeedbackOption = "auto",
    plan: Annotated[Path | None, typer.Option(help="A file saved by `plan -o`.")] = None,
    uniform: Annotated[str | None, typer.Option(help="One width for all, as a8w8.")] = None,
    form: FormOption = None,
    horizon: HorizonOption = None,
    context: ContextOption = None,
    exog: ExogOption = None,
    compiler: CompilerOption = None,
    optimize: OptimizeOption = "balanced",
    runner: RunnerOption = None,
    block_rows: BlockRowsOption = BLOCK_ROWS,
    seed: SeedOption = 0,
    stream: StreamOption = True,
    name: NameOption = None,
    dump_ir: Annotated[Path | None, typer.Option(help="Write the IR after each phase.")] = None,
) -> int:
    """Integer firmware for BOARD, verified on the installed simulators, with its report."""
    from tqs_edge.pipeline.job import CompileJob, compile_package

    job = CompileJob(
        source=model,
        board=board,
        output=output,
        budget=_given_budget(flash, ram, insns, avg_bits, plan, uniform),
        target=parse_target(max_nrmse, minimize),
        plan=plan,
        uniform=uniform,
        method=method,
        rounding=rounding,
        error_feedback=error_feedback,
        **_decided(weight_bits, act_bits, state_bits, pin, block_rows),
        form=form,
        horizon=horizon,
        context=context,
        exog=exog,
        compiler=compiler,
        optimize=optimize,
        runner=runner,
        seed=seed,
        stream=stream,
        name=name,
        dump_ir=dump_ir,
    )
    return _built(compile_package(job, stage), output)


def _decided(
    weight_bits: int | None,
    act_bits: int | None,
    state_bits: int | None,
    pin: list[str] | None,
    block_rows: int,
) -> dict[str, Any]:
    """Fields of a job: the widths that are not the planner's to choose, and for which rows."""
    from tqs_edge.plan.pins import parse_pins

    widths = {"weight_bits": weight_bits, "act_bits": act_bits, "state_bits": state_bits}
    return {**widths, "pins": parse_pins(pin or ()), "block_rows": block_rows}


def _given_budget(
    flash: str | None,
    ram: str | None,
    insns: int | None,
    avg_bits: float | None,
    *others: object,
) -> Budget:
    """The limits; InputError where widths are decided in several ways, `others` or these."""
    budget = parse_budget(flash, ram, insns, avg_bits)
    if sum(map(bool, (budget.limits(), *others))) > 1:
        raise InputError("give a budget, --plan or --uniform, only one of them")
    return budget


def _built(report: dict[str, Any], output: Path) -> int:
    """Shows what was built; the exit status."""
    show_summary(report)
    show(f"Written: {output} (open {output / 'report.html'})")
    if (output / "device.hex").is_file():
        show(
            f"For the board: {output / 'device.hex'} (`tqs-edge flash {output}`). The simulators "
            "ran firmware.elf: the same model and kernels, with semihosting as its console."
        )
    return 0 if all(report["bit_exact"].values()) else 1


def simulate(
    directory: PackageArgument,
    runner: RunnerOption = None,
    context: ContextOption = None,
    exog: ExogOption = None,
    horizon: HorizonOption = None,
    output: Annotated[
        Path | None, typer.Option("-o", help="Rollout as float32 .npy [contexts, horizon, F].")
    ] = None,
) -> None:
    """Runs the firmware in DIR and saves its rollout in the model's own units."""
    from tqs_edge.pipeline.simulation import save_frames, simulate_package

    with stage("simulate"):
        frames, log = simulate_package(
            directory, runner=runner, context=context, exog=exog, horizon=horizon
        )
    counted = log.instructions_per_step
    show(
        f"{log.board} on {log.runner}: {frames.shape[0]} rollouts of {frames.shape[1]} steps, "
        + (f"{counted:.0f} instructions per step, " if counted is not None else "")
        + (f"{log.stack_bytes} B of stack" if log.stack_bytes is not None else "stack not measured")
    )
    if output is not None:
        save_frames(output, frames)
        show(f"Written: {output}")


def verify(
    directory: PackageArgument,
    runner: Annotated[
        str | None,
        typer.Option(
            help="unicorn, qemu, qemu-user, host: the first that fits; board: the real one."
        ),
    ] = None,
    everywhere: Annotated[
        bool, typer.Option("--all-cores", help="Also every core with every compiler.")
    ] = False,
    port: Annotated[
        str | None,
        typer.Option(help="With --runner board: /dev/ttyACM0, COM3, socket://host:port."),
    ] = None,
    probe: ProbeOption = None,
    patience: Annotated[
        float, typer.Option(min=0.1, help="With --runner board: seconds to wait for an answer.")
    ] = 10.0,
) -> int:
    """Runs the whole chain for DIR; exit status 1 when any link breaks."""
    from tqs_edge.pipeline.simulation import verify_package

    if runner == "board":
        return _verify_on_board(directory, port, probe, patience)
    with stage("verify") as advance, tempfile.TemporaryDirectory(prefix="tqs-verify-") as folder:
        verification = verify_package(
            directory, Path(folder), runner=runner, all_cores=everywhere, done=advance
        )
    show_links(verification)
    return 0 if verification.exact else 1


def _verify_on_board(directory: Path, port: str | None, probe: str | None, patience: float) -> int:
    from tqs_edge.pipeline.directory import read_package
    from tqs_edge.pipeline.on_board import board_port, verify_on_board

    package = read_package(directory)
    open_port = board_port(package.firmware, port, probe, probe_picker())
    with stage("verify on the board") as advance:
        verification = verify_on_board(package, open_port, patience=patience, done=advance)
    show_links(verification)
    log = verification.links[-1].log
    if log is not None:
        if log.cycles_per_step is not None:
            show(f"{log.board}: {log.cycles_per_step:,.0f} cycles per step")
        for remark in log.remarks:
            show(f"{log.board}: {remark}")
    return 0 if verification.exact else 1


def show_links(verification: Verification) -> None:
    """One row per link of the chain."""
    contexts, horizon, _ = verification.reference.frames.shape
    rows = table(
        f"Integer reference against, over {contexts} contexts x {horizon} steps",
        *("executor", "bit-exact", "instructions/step", "stack"),
    )
    for link in verification.links:
        log = link.log
        count = log.instructions_per_step if log else None
        stack = log.stack_bytes if log else None
        rows.add_row(
            link.name,
            "yes" if link.exact else "NO",
            "" if count is None else f"{count:,.0f}",
            "" if stack is None else f"{stack} B",
        )
    show(rows)
    for link in verification.links:
        if link.mismatch:
            show(f"{link.name}: {link.mismatch}")
    show(f"nRMSE against float {verification.error.nrmse:.4f}")


def show_summary(report: dict) -> None:  # type: ignore[type-arg]
    """The numbers people look for first."""
    rollout = report["rollout"]
    exact = report["bit_exact"]
    broken = [name for name, equal in exact.items() if not equal]
    ram = report["ram_bytes"]
    count = report["instructions_per_step"]
    show(
        f"{report['source']} on {report['board']} ({report['compiler']}): nRMSE against float "
        f"{rollout['nrmse']:.4f} over {report['horizon']} steps, flash {report['flash_bytes']} B "
        f"(weights {report['weight_bytes']} B), "
        + (f"RAM {ram} B with stack, " if ram is not None else "RAM not measured, ")
        + (f"{count:,.0f} instructions per step" if count is not None else "not counted")
    )
    if not broken:
        show(f"Bit-exact: all {len(exact)} links ({', '.join(exact)})")
    for name in broken:
        show(f"NOT bit-exact: {name}: {report['mismatches'][name]}")
