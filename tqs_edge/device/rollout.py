"""A whole rollout through a link: contexts in, frames out, restarts survived."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tqs_edge.device.link import FirmwareRestarted, Link
from tqs_edge.device.messages import (
    DeviceReport,
    Hello,
    Kind,
    decode_hello,
    decode_report,
    decode_run,
    encode_run,
    rows_per_packet,
    steps_per_packet,
)
from tqs_edge.device.port import PortLost
from tqs_edge.errors import RunnerError
from tqs_edge.run.rollout_files import RolloutRequest

RESTARTS = 5  # of the board or of its port, before a run is given up

Done = Callable[[int, int], None]  # (contexts done, contexts)


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """frames int16 (contexts, horizon, F); cycles_per_step: mean, None where not counted."""

    frames: np.ndarray
    hello: Hello
    report: DeviceReport
    cycles_per_step: float | None


@dataclass(frozen=True, eq=False)
class _Context:
    """frames int16 (horizon, F); cycles of all its steps."""

    frames: np.ndarray
    cycles: int
    report: DeviceReport


def greet(link: Link, request: RolloutRequest, model_hash: str) -> Hello:
    """What the firmware says of itself. Raises RunnerError when it is not of this model."""
    hello = decode_hello(link.request(Kind.HELLO))
    shape = request.shape
    same = (hello.length, hello.features, hello.block, hello.exog) == (
        shape.length,
        shape.features,
        shape.block,
        shape.exog,
    )
    if hello.model_hash != model_hash or not same:
        raise RunnerError(
            f"the board runs firmware of another model ({hello.model_hash[:12]}, this package "
            f"has {model_hash[:12]}); run `tqs-edge flash DIR` first"
        )
    return hello


def roll_out(
    link: Link, request: RolloutRequest, model_hash: str, done: Done | None = None
) -> DeviceRun:
    """Frames of every context. After a restart of the board, or a lost port, the context that was
    under way is done again from its beginning.

    Raises RunnerError for another model, for silence, and after RESTARTS restarts.
    """
    hello: Hello | None = None
    finished: list[_Context] = []
    restarts = 0
    while hello is None or len(finished) < len(request.contexts):
        if done is not None:
            done(len(finished), len(request.contexts))
        try:
            hello = hello or greet(link, request, model_hash)
            finished.append(_one_context(link, hello, request, len(finished)))
        except (FirmwareRestarted, PortLost) as event:
            restarts += 1
            if restarts > RESTARTS:
                raise RunnerError(
                    f"the board or its port was lost {restarts} times; check cable and supply"
                ) from None
            _recover(link, event)
            hello = None
    cycles = sum(context.cycles for context in finished) / (len(finished) * request.calls)
    return DeviceRun(
        frames=np.stack([context.frames for context in finished]),
        hello=hello,
        report=_worst([context.report for context in finished]),
        cycles_per_step=cycles if hello.has_cycles else None,
    )


def _worst(reports: Sequence[DeviceReport]) -> DeviceReport:
    """The largest of every number: a restart in between begins to count anew."""
    return DeviceReport(
        max(report.stack_bytes for report in reports),
        max(report.most_cycles for report in reports),
        max(report.broken_packets for report in reports),
    )


def _recover(link: Link, event: Exception) -> None:
    if isinstance(event, PortLost):
        try:
            link.reopen()
        except PortLost as error:
            raise RunnerError(f"the port was lost and does not come back: {error}") from None


def _one_context(link: Link, hello: Hello, request: RolloutRequest, index: int) -> _Context:
    """The rollout from context `index`, and the firmware's report behind it."""
    rows, exog, shape = request.contexts[index], request.exog[index], request.shape
    link.request(Kind.RESET)
    outputs: list[np.ndarray] = []
    cycles = 0

    def run(pushed: np.ndarray, steps: int) -> None:
        nonlocal cycles
        at = len(outputs)
        payload = encode_run(at, pushed, steps, exog[at : at + steps])
        answered, taken = decode_run(link.request(Kind.RUN, payload), steps, shape)
        outputs.extend(answered)
        cycles += taken

    if shape.recurrent and shape.length == 1:
        for pushed in _pieces(rows, steps_per_packet(hello, with_rows=True)):
            run(pushed, len(pushed))
    else:
        calls = shape.context_calls(len(rows))
        for call, taken_rows in enumerate(_calls_of_context(rows, calls, shape.length)):
            for pushed in _pieces(taken_rows, rows_per_packet(hello)):
                run(pushed, 0)
            if call < calls - 1:
                run(rows[:0], 1)
    most = steps_per_packet(hello, with_rows=False)
    while len(outputs) < request.calls:
        run(rows[:0], min(most, request.calls - len(outputs)))
    first = (shape.context_calls(len(rows)) - 1) * shape.block
    frames = np.concatenate(outputs)[first : first + request.horizon]
    return _Context(frames, cycles, decode_report(link.request(Kind.REPORT)))


def _calls_of_context(rows: np.ndarray, calls: int, length: int) -> Iterator[np.ndarray]:
    """The last calls * length rows, those of one call at a time; zeros stand before the first."""
    missing = max(0, calls * length - len(rows))
    padded = np.concatenate([np.zeros((missing, rows.shape[1]), rows.dtype), rows])
    return _pieces(padded[-calls * length :], length)


def _pieces(rows: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """`rows` in pieces of at most `most`."""
    for begin in range(0, len(rows), most):
        yield rows[begin : begin + most]
