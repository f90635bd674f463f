"""The Python interface: one function per verb of the command line."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tqs_edge.errors import InputError
from tqs_edge.firmware.board import load_board
from tqs_edge.frontend.load import check
from tqs_edge.graph.rollout_model import RolloutForm
from tqs_edge.pipeline.black_box import PreparedBlackBox, prepare_black_box, score_black_box
from tqs_edge.pipeline.job import Advance, CompileJob, compile_package
from tqs_edge.pipeline.planning import Scores, plan_widths, score_sites
from tqs_edge.pipeline.prepare import Prepared, prepare
from tqs_edge.pipeline.simulation import simulate_package, verify_package
from tqs_edge.pipeline.verification import Verification
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.planner import PlanResult
from tqs_edge.plan.problem import Decided
from tqs_edge.plan.search import Method
from tqs_edge.run.run_log import RunLog

__all__ = [
    "Budget",
    "check",
    "compile",
    "plan",
    "prepare",
    "prepare_black_box",
    "score",
    "simulate",
    "verify",
]


def score(prepared: Prepared | PreparedBlackBox, *, exact: bool = False, seed: int = 0) -> Scores:
    """TQS of every site of a prepared model; `exact` also measures every width of each.

    A black box (`prepare_black_box`) has no exact mode: InputError.
    """
    if isinstance(prepared, Prepared):
        return score_sites(prepared, exact=exact, seed=seed)
    if exact:
        raise InputError("exact mode rounds what the compiler sees; prepare() the model for it")
    return score_black_box(prepared, seed=seed)


def plan(
    prepared: Prepared,
    scores: Scores,
    *,
    board: str,
    budget: Budget,
    method: str = Method.TQS,
    weight_bits: int | None = None,
    act_bits: int | None = None,
    state_bits: int | None = None,
    pins: Mapping[str, int] | None = None,
) -> PlanResult:
    """The bit plan of least rollout error within `budget` on `board`.

    pins: widths by name, as {"head": 8, "cell.weight_hh[0:32]": 16, "act:h": 16}.
    """
    return plan_widths(
        prepared,
        scores,
        load_board(board),
        budget,
        method=method,
        decided=Decided(weight_bits, act_bits, state_bits, pins or {}),
    )


def compile(
    model: str | torch.nn.Module,
    *,
    board: str,
    output: str | Path,
    rollout: RolloutForm | str | None = None,
    budget: Budget | None = None,
    example_inputs: tuple[torch.Tensor, ...] | None = None,
    uniform: str | None = None,
    horizon: int | None = None,
    context: str | Path | None = None,
    exog: str | Path | None = None,
    compiler: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Verified integer firmware in the directory `output`; returns its report (report.json).

    model: a file, "zoo:NAME", "package.module:factory" or a module with `example_inputs`.
    rollout: the form where it cannot be inferred. `options` are further fields of
    pipeline.job.CompileJob. Raises the classes of tqs_edge.errors.
    """
    job = CompileJob(
        source=model,
        board=board,
        output=Path(output),
        budget=budget or Budget(),
        form=None if rollout is None else RolloutForm(rollout),
        example_inputs=example_inputs,
        uniform=uniform,
        horizon=horizon,
        context=None if context is None else Path(context),
        exog=None if exog is None else Path(exog),
        compiler=compiler,
        **options,
    )
    return compile_package(job, _quiet)


def simulate(
    directory: str | Path, *, runner: str | None = None, horizon: int | None = None
) -> tuple[np.ndarray, RunLog]:
    """(float32 frames (contexts, horizon, F), run log) of the firmware that `compile` wrote."""
    return simulate_package(Path(directory), runner=runner, horizon=horizon)


def verify(
    directory: str | Path, *, runner: str | None = None, all_cores: bool = False
) -> Verification:
    """The whole chain for what `compile` wrote; look at `.exact` and `.links`."""
    with tempfile.TemporaryDirectory(prefix="tqs-verify-") as folder:
        return verify_package(Path(directory), Path(folder), runner=runner, all_cores=all_cores)


def _quiet(_title: str) -> AbstractContextManager[Advance]:
    return nullcontext(lambda done, total: None)
