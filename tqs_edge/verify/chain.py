"""The chain of equalities: integer reference = TVM LLVM = host C = every simulated board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tqs_edge.firmware.build import Firmware
from tqs_edge.run.run_log import RunLog
from tqs_edge.run.runner import run
from tqs_edge.run.step_count import COUNTED_CALLS
from tqs_edge.verify.compare import Mismatch, first_mismatch

Frames = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Link:
    """One executor held against the reference; `mismatch` is None where every frame is equal.

    name: "llvm", "host" or "<runner>:<board>:<compiler>"
    log: what the runner measured, None for LLVM
    """

    name: str
    mismatch: Mismatch | None
    log: RunLog | None

    @property
    def exact(self) -> bool:
        return self.mismatch is None


class Execute(Protocol):
    """A way to run a firmware: run.runner.run, or a board at the end of a port."""

    def __call__(
        self,
        firmware: Firmware,
        contexts: Frames,
        horizon: int,
        *,
        exog: Frames | None,
        runner: str,
        count: int,
    ) -> RunLog: ...


@dataclass(frozen=True, eq=False)
class Execution:
    """A firmware and the runner that is to execute it."""

    firmware: Firmware
    runner: str
    count: bool = True
    execute: Execute = run

    @property
    def name(self) -> str:
        if self.runner == "host":
            return "host"
        return f"{self.runner}:{self.firmware.board.name}:{self.firmware.record.compiler}"


def check_chain(
    want: Frames,
    run_llvm: Callable[[], Frames],
    executions: Sequence[Execution],
    contexts: Frames,
    *,
    exog: Frames | None = None,
    done: Callable[[int, int], None] | None = None,
) -> tuple[Link, ...]:
    """Every link against `want`, the reference's frames int16 (contexts, horizon, F).

    run_llvm: returns the frames of TVM's executor. contexts int16 (N, rows, F), exog int16
    (N, calls, E). Runner failures raise; a difference is a result.
    """
    horizon = want.shape[1]
    links = [Link("llvm", first_mismatch(want, run_llvm()), None)]
    total = len(executions) + len(links)
    for execution in executions:
        if done is not None:
            done(len(links), total)
        log = execution.execute(
            execution.firmware,
            contexts,
            horizon,
            exog=exog,
            runner=execution.runner,
            count=COUNTED_CALLS if execution.count else 0,
        )
        links.append(Link(execution.name, first_mismatch(want, log.frames), log))
    return tuple(links)
