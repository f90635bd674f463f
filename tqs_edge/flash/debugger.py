"""pyOCD's probes and sessions: what is connected, which one is meant, how to connect to it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tqs_edge.errors import InputError, RunnerError, ToolMissing
from tqs_edge.firmware.board import Board

if TYPE_CHECKING:
    from pyocd.core.session import Session
    from pyocd.probe.debug_probe import DebugProbe

PickProbe = Callable[[Sequence[str]], int]  # lines that describe the probes -> index of one
OPTIONS: dict[str, object] = {
    "hide_programming_progress": True,
    "no_config": True,  # a pyocd.yaml in the working directory must not change what is done
    "warning.cortex_m_default": False,
    # What was half written must not run; `flash` restarts the core itself.
    "resume_on_disconnect": False,
}


def require_pyocd() -> None:
    """Raises ToolMissing where pyOCD is not installed."""
    try:
        import pyocd  # noqa: F401
    except ImportError:
        raise ToolMissing("pyOCD is not installed; run: pip install 'tqs-edge[flash]'") from None


def connected_probes() -> list[DebugProbe]:
    """The debug probes of this computer, at once: an empty list where there is none."""
    require_pyocd()
    from pyocd.core.helpers import ConnectHelper

    # pyOCD complains about probe kinds whose drivers are absent; nobody asked for those.
    with _quiet():
        return list(ConnectHelper.get_all_connected_probes(blocking=False) or ())


def choose_probe(
    probes: Sequence[DebugProbe], wanted: str | None, pick: PickProbe | None
) -> DebugProbe:
    """The probe that `wanted` names (its serial number or a beginning of it), or the only one.

    Several without `wanted` are put before the user through `pick`. Raises RunnerError without a
    probe; InputError where `wanted` is none or not one of them, and where nobody can pick.
    """
    lines = [f"{probe.unique_id} ({probe.description})" for probe in probes]
    if not probes:
        raise RunnerError(
            "no debug probe is connected; plug the board in (on Linux its USB device must be "
            "writable: udev rules come with pyOCD)"
        )
    if wanted is None:
        if len(probes) == 1:
            return probes[0]
        if pick is None:
            raise InputError(f"several debug probes: {'; '.join(lines)}; give one as --probe")
        return probes[pick(lines)]
    found = [probe for probe in probes if probe.unique_id.lower().startswith(wanted.lower())]
    exact = [probe for probe in found if probe.unique_id == wanted]
    if len(exact or found) != 1:
        what = "no probe is" if not found else "several probes are"
        raise InputError(f"{what} called '{wanted}'; connected: {'; '.join(lines)}")
    return (exact or found)[0]


@contextlib.contextmanager
def connect(
    probe: DebugProbe, board: Board, *, halt: bool, unlock: bool = False
) -> Iterator[Session]:
    """An open session with the board's part; closed at the end, the core as it is then.

    halt: stop the core, for flashing; else leave it as it is
    unlock: erase a part that is locked against debuggers, else it is an error
    Raises ToolMissing where pyOCD lacks the part, RunnerError where nothing answers.
    """
    from pyocd.core import exceptions
    from pyocd.core.session import Session

    if board.pyocd_target is None:
        raise InputError(
            f"board '{board.name}' has no pyocd_target; add it to its TOML, or use another --tool"
        )
    options = {
        **OPTIONS,
        "target_override": board.pyocd_target,
        "connect_mode": "halt" if halt else "attach",
        "auto_unlock": unlock,
    }
    with _quiet():
        try:
            session = Session(probe, options=options)
        except exceptions.TargetSupportError:
            raise ToolMissing(
                f"pyOCD does not know '{board.pyocd_target}'; run: "
                f"pyocd pack install {board.pyocd_target}"
            ) from None
        try:
            session.open()
        except exceptions.Error as error:
            session.close()
            raise RunnerError(f"the part does not answer: {words_of(error)}") from None
        try:
            yield session
        finally:
            session.close()


def words_of(error: BaseException) -> str:
    """The first line of an exception, or its name."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pyOCD tells through exceptions what matters; its log would mix with progress."""
    logger: Any = logging.getLogger("pyocd")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
