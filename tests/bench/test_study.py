"""A study goes on where it stopped, and processes change nothing but the time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tqs_edge.bench import study
from tqs_edge.bench.study import StudyPart, StudyRequest, run_study, study_requests
from tqs_edge.errors import InputError

FAST = {"averages": (4.0,), "methods": ("uniform", "random"), "horizon": 12}
SOURCE = "zoo:sst-ssm"


def test_requests_are_models_times_seeds() -> None:
    requests = study_requests(["a", "b"], seeds=2, methods=("tqs", "uniform"))
    assert [(r.source, r.seed) for r in requests] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert requests[0].methods == ("uniform", "tqs")
    with pytest.raises(InputError, match="give --seeds 1"):
        study_requests(["a"], averages=())
    with pytest.raises(InputError, match="no method 'best'"):
        study_requests(["a"], methods=("best",))


def outcome(part: StudyPart) -> StudyPart:
    """Without what differs between runs: the times."""
    return replace(part, score_seconds=0.0, exact_seconds=0.0)


@pytest.mark.slow
def test_processes_give_the_same_numbers_and_seeds_others() -> None:
    requests = study_requests([SOURCE], seeds=2, **FAST)
    seen: list[int] = []
    parts = run_study(requests, jobs=2, finished=lambda part: seen.append(part.request.seed))
    assert sorted(seen) == [0, 1]
    assert [p.request for p in parts] == list(requests)
    alone = run_study(requests[1:], jobs=1)
    assert outcome(alone[0]) == outcome(parts[1])
    first, second = parts
    assert first.judgements[0].nrmse != second.judgements[0].nrmse  # other windows


def test_an_interrupted_study_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = study_requests([SOURCE], seeds=2, **FAST)
    (first,) = run_study(requests[:1], folder=tmp_path)
    asked: list[StudyRequest] = []

    def stopped(request: StudyRequest) -> StudyPart:
        asked.append(request)
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "run_part", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_study(requests, folder=tmp_path)
    assert asked == [requests[1]]
    assert run_study(requests[:1], folder=tmp_path) == (first,)
    other = replace(requests[0], averages=(5.0,))
    for changed in (other, replace(requests[0], horizon=13)):
        with pytest.raises(KeyboardInterrupt):
            run_study([changed], folder=tmp_path)


def test_parts_of_other_code_and_damaged_parts_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = StudyRequest(SOURCE, 0)
    made: list[StudyRequest] = []

    def fake(request: StudyRequest) -> StudyPart:
        made.append(request)
        return StudyPart(request, (), 0.9, 1.0, 2.0)

    monkeypatch.setattr(study, "run_part", fake)
    run_study([request], folder=tmp_path)
    run_study([request], folder=tmp_path)
    assert len(made) == 1
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text()[:-20])
    run_study([request], folder=tmp_path)
    assert len(made) == 2
    monkeypatch.setattr(study, "_package_hash", lambda: "another")
    run_study([request], folder=tmp_path)
    assert len(made) == 3 and len(list(tmp_path.iterdir())) == 2
    run_study([StudyRequest("tests.cli.factories:small_gru", 0)], folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # nothing says what that code was
