"""The planning study: models x seeds, each judged with all methods and budgets, in processes."""

from __future__ import annotations

import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from tqs_edge.artifacts import content_hash, load, save, sha256
from tqs_edge.bench.case import make_case
from tqs_edge.bench.plans import AVERAGE_BITS, Judgement, check_methods, judge_plans
from tqs_edge.errors import InputError
from tqs_edge.firmware.board import load_board
from tqs_edge.graph.threads import one_thread
from tqs_edge.pipeline.planning import Scores, measured_table, score_report
from tqs_edge.pipeline.prepare import prepare

BOARD = "mps2-an386"  # average bits cost the same on every core
SEEDS = 3
WARM_UP_STEPS = 2
LIBRARIES = ("numpy", "scipy", "torch")
DATA_SUFFIXES = (".py", ".csv", ".safetensors", "SHA256SUMS")


@dataclass(frozen=True)
class StudyRequest:
    """One model and one seed. The seed draws the probes, the windows planned on and judged on."""

    source: str
    seed: int
    averages: tuple[float, ...] = AVERAGE_BITS
    methods: tuple[str, ...] = ()
    horizon: int | None = None


@dataclass(frozen=True)
class StudyPart:
    """What came of a request.

    spearman: rank correlation of predicted with measured damage over sites and widths
    score_seconds, exact_seconds: processor time of the scores and of the measured table
    """

    request: StudyRequest
    judgements: tuple[Judgement, ...]
    spearman: float
    score_seconds: float
    exact_seconds: float


@dataclass(frozen=True)
class StoredPart:
    """A part on disk; fingerprint: of the request, this package's files and its libraries."""

    fingerprint: str
    part: StudyPart


def study_requests(
    sources: Sequence[str],
    *,
    seeds: int = SEEDS,
    averages: Sequence[float] = AVERAGE_BITS,
    methods: Sequence[str] = (),
    horizon: int | None = None,
) -> tuple[StudyRequest, ...]:
    """A request for every source and seed. Raises InputError for what no part could do."""
    names = check_methods(methods)
    if seeds < 1 or not averages:
        raise InputError("a study needs a seed and a budget; give --seeds 1 and --bits 4 or more")
    return tuple(
        StudyRequest(source, seed, tuple(averages), names, horizon)
        for source in sources
        for seed in range(seeds)
    )


def run_study(
    requests: Sequence[StudyRequest],
    *,
    jobs: int = 1,
    folder: Path | None = None,
    finished: Callable[[StudyPart], None] | None = None,
) -> tuple[StudyPart, ...]:
    """The parts, in the order of the requests; the numbers do not depend on `jobs`.

    jobs: processes at once. folder: where finished parts are kept; one that is there already, made
    from the same request by the same code, is taken as it is, so an interrupted study goes on.
    """
    parts: dict[StudyRequest, StudyPart] = {}
    stored = {request: _place(folder, request) for request in requests}

    def note(part: StudyPart) -> None:
        parts[part.request] = part
        if finished:
            finished(part)

    missing = []
    for request, place in stored.items():
        found = _read(place) if place else None
        if found:
            note(found)
        else:
            missing.append(request)
    for part in _computed(missing, jobs):
        place = stored[part.request]
        if place:
            save(place[0], StoredPart(place[1], part))
        note(part)
    return tuple(parts[request] for request in requests)


@one_thread()
def run_part(request: StudyRequest) -> StudyPart:
    """Scores the model once, then plans and judges with every method at every budget.

    Scores and measured table are made in this thread alone, so that their processor times compare;
    both are made over a few steps before, so that those that are timed do not pay for the imports.
    """
    prepared = prepare(request.source, horizon=request.horizon, seed=request.seed)
    short = replace(prepared, horizon=min(WARM_UP_STEPS, prepared.horizon))
    measured_table(short, score_report(short, seed=request.seed))
    start = time.process_time()
    report = score_report(prepared, seed=request.seed)
    scored = time.process_time()
    table = measured_table(prepared, report)
    measured = time.process_time()
    if table.spearman is None:
        raise InputError(f"{request.source}: fewer than two different damages: nothing to rank")
    case = make_case(prepared, Scores(report, table), load_board(BOARD), request.seed)
    judgements = judge_plans(case, averages=request.averages, methods=request.methods)
    return StudyPart(request, judgements, table.spearman, scored - start, measured - scored)


def _computed(requests: Sequence[StudyRequest], jobs: int) -> Iterator[StudyPart]:
    """The parts as they are finished."""
    if jobs <= 1 or len(requests) <= 1:
        yield from map(run_part, requests)
        return
    # Forked processes would share torch's and TVM's threads; these start afresh.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(requests)), mp_context=context)
    try:
        for future in as_completed([pool.submit(run_part, request) for request in requests]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _place(folder: Path | None, request: StudyRequest) -> tuple[Path, str] | None:
    """File and fingerprint of a part; None where it is not kept.

    The code behind package.module:factory is not known, so parts of it are always made anew.
    """
    if folder is None:
        return None
    content = ""
    if not request.source.startswith("zoo:"):
        file = Path(request.source)
        if not file.is_file():
            return None
        content = sha256(file.read_bytes())
    libraries = ",".join(f"{name} {version(name)}" for name in LIBRARIES)
    fingerprint = sha256(
        f"{content_hash(request)} {content} {_package_hash()} {libraries}".encode()
    )
    name = re.sub(r"[^\w.-]+", "-", request.source)
    return folder / f"{name}-seed{request.seed}-{fingerprint[:12]}.json", fingerprint


def _package_hash() -> str:
    """A hash of all code and data in this package: what a result depends on besides the request."""
    root = Path(__file__).parents[1]
    files = sorted(p for p in root.rglob("*") if p.name.endswith(DATA_SUFFIXES))
    return sha256(
        "".join(f"{p.relative_to(root)} {sha256(p.read_bytes())}\n" for p in files).encode()
    )


def _read(place: tuple[Path, str]) -> StudyPart | None:
    """The stored part, None where there is none of this fingerprint or it is damaged."""
    path, fingerprint = place
    if not path.is_file():
        return None
    try:
        stored = load(path, StoredPart)
    except InputError:
        return None
    return stored.part if stored.fingerprint == fingerprint else None
