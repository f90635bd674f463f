"""Instructions of one step of cells and layers, the shapes that rival libraries are measured on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tqs_edge.bench.kernels import core_boards
from tqs_edge.errors import InputError, ToolMissing, VerificationFailed
from tqs_edge.firmware.board import Board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import Toolchain, find_toolchain
from tqs_edge.pipeline.judging import Judged, judge
from tqs_edge.pipeline.lowering import Lowered, lower_plan
from tqs_edge.pipeline.prepare import Prepared, prepare
from tqs_edge.pipeline.usage import model_flash_bytes
from tqs_edge.pipeline.verification import compilers, runners_for
from tqs_edge.plan.uniform import uniform_plan
from tqs_edge.run.runner import run

CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m55")
WIDTHS = ("a8w8", "a16w8")
HORIZON = 64  # steps that simulators count

Progress = Callable[[int, int], None]


class LstmCell(nn.Module):
    """nn.LSTMCell alone: (x [1, 16], h [1, 32], c [1, 32]) -> (half of h', h', c').

    What is fed back is half of the state, which costs a copy of 16 numbers.
    """

    FEATURES, HIDDEN = 16, 32

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(self.FEATURES, self.HIDDEN)

    def forward(
        self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h, c = self.cell(x, (h, c))
        return h[:, : self.FEATURES], h, c


class Convolutions(nn.Module):
    """Two causal convolutions of width 3, 32 -> 32 channels, with a rectifier between them.

    What is new of a window [1, 5, 32] is one row of either: 2 x 3,072 products.
    """

    CHANNELS, REACH = 32, 5

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(self.CHANNELS, self.CHANNELS, 3)
        self.second = nn.Conv1d(self.CHANNELS, self.CHANNELS, 3)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        inner: torch.Tensor = self.second(torch.relu(self.first(window.transpose(1, 2))))
        return torch.tanh(inner.transpose(1, 2))


def gru_with_head() -> Prepared:
    """The zoo's GRU 4->32 with a head 32->4, trained; other weights take as many instructions."""
    return prepare("zoo:gru-4x32", horizon=HORIZON)


def lstm_cell() -> Prepared:
    """LSTM 16->32 with random weights."""
    state = torch.zeros(1, LstmCell.HIDDEN)
    inputs = (torch.zeros(1, LstmCell.FEATURES), state, state.clone())
    return prepare(_seeded(LstmCell), example_inputs=inputs, horizon=HORIZON)


def convolutions() -> Prepared:
    """Causal convolutions with random weights, streaming."""
    window = torch.zeros(1, Convolutions.REACH, Convolutions.CHANNELS)
    return prepare(_seeded(Convolutions), example_inputs=(window,), horizon=HORIZON)


def _seeded(made: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return made().eval()


STEPS: dict[str, Callable[[], Prepared]] = {
    "gru-4x32-head": gru_with_head,
    "lstm-16x32": lstm_cell,
    "conv-3-32x32-twice": convolutions,
}


@dataclass(frozen=True)
class StepCost:
    """Mean instructions of a step, of which dense kernels take `dense_instructions`; bytes of code,
    of code and weights, and of stack."""

    step: str
    widths: str
    core: str
    compiler: str
    instructions: float
    dense_instructions: float
    code_bytes: int
    flash_bytes: int
    stack_bytes: int | None


def measure_steps(
    *,
    steps: Sequence[str] = (),
    widths: Sequence[str] = WIDTHS,
    cores: Sequence[str] = (),
    with_compilers: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[StepCost, ...]:
    """The cost of every step on every core with every compiler; empty selections mean all.

    Each run is compared with the integer reference first. Raises InputError for unknown names,
    ToolMissing without compiler or simulator, VerificationFailed where a result differs.
    """
    for name in steps:
        if name not in STEPS:
            raise InputError(f"unknown step '{name}'; known: {', '.join(STEPS)}")
    boards = [_board(core) for core in cores or CORES]
    chains = [find_toolchain(name) for name in with_compilers or compilers()]
    jobs = [
        (name, code, board, chain)
        for name in steps or STEPS
        for code in widths
        for board in boards
        for chain in chains
    ]
    if not jobs:
        raise ToolMissing("no compiler is installed; run: pip install ziglang")
    costs = []
    for done, job in enumerate(jobs):
        costs.append(_measure(*job))
        if progress:
            progress(done + 1, len(jobs))
    return tuple(costs)


def _board(core: str) -> Board:
    boards = core_boards()
    if core not in boards:
        raise InputError(f"unknown core '{core}'; known: {', '.join(boards)}")
    return boards[core]


@cache
def _lowered(step: str, widths: str) -> tuple[Lowered, Judged]:
    prepared = STEPS[step]()
    lowered = lower_plan(prepared, uniform_plan(prepared.model.graph, widths))
    return lowered, judge(lowered.program, lowered.model, prepared.judging, HORIZON)


def _measure(step: str, widths: str, board: Board, toolchain: Toolchain) -> StepCost:
    lowered, judged = _lowered(step, widths)
    runners = runners_for(board)
    if not runners:
        raise ToolMissing(f"no simulator of '{board.name}' is installed; see `tqs-edge doctor`")
    with tempfile.TemporaryDirectory(prefix="tqs-bench-") as folder:
        firmware = build(lowered.bundle, board, toolchain, Path(folder))
        log = run(firmware, judged.contexts[:1], HORIZON, runner=runners[0])
    if not np.array_equal(log.frames, judged.reference.frames[:1]):
        raise VerificationFailed(
            f"{step} {widths} on {board.name} ({toolchain.name}): the results are not those of the "
            "integer reference; the count would mean nothing"
        )
    dense = [n for f, n in (log.instructions_by_function or {}).items() if "tqs_dense_" in f]
    return StepCost(
        step,
        widths,
        board.core.name,
        toolchain.name,
        log.instructions_per_step or 0.0,
        sum(dense),
        firmware.size.code_bytes,
        model_flash_bytes(firmware),
        log.stack_bytes,
    )
