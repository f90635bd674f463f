from __future__ import annotations

from tests.passes.small_models import delay_line, gru, kept_rows, lstm, make_case, rotation
from tqs_edge.graph.rollout_model import RolloutModel
from tqs_edge.passes.assign_storage import StoragePlan, assign_storage
from tqs_edge.passes.lower import lower
from tqs_edge.passes.plan_memory import check_overlap
from tqs_edge.passes.step_calls import Copy, step_calls


def _storage(model: RolloutModel, **bits: int) -> StoragePlan:
    case = make_case(model, **bits)
    return assign_storage(step_calls(lower(case.module, case.program), case.program))


def _copies(plan: StoragePlan) -> list[tuple[str, str]]:
    return [(call.input, call.output) for call in plan.calls if isinstance(call, Copy)]


def test_a_gru_updates_its_state_in_place_and_stages_x() -> None:
    plan = _storage(gru())
    assert plan.in_state == {"h": "h", "h_next": "h"}
    assert _copies(plan) == [("x", "x_staged")]
    assert plan.arguments["y"] == "y"


def test_two_states_of_an_lstm_update_in_place() -> None:
    plan = _storage(lstm())
    assert plan.in_state["c_next"] == "c" and plan.in_state["h_next"] == "h"


def test_states_that_take_over_others_are_saved_first_and_written_last() -> None:
    plan = _storage(delay_line())
    copies = _copies(plan)
    assert copies[:2] == [("old", "older_next"), ("x", "old_next")]
    assert copies[2:] == [("old_next", "old@state"), ("older_next", "older@state")]
    assert [type(call) for call in plan.calls[-2:]] == [Copy, Copy]


def test_kept_rows_are_pushed_where_they_lie() -> None:
    plan = _storage(kept_rows())
    assert plan.in_state == {"h_rows": "h_rows", "h_rows_next": "h_rows"}
    assert [target for _, target in _copies(plan)] == ["x_staged"]
    assert "h_rows_next" not in {buffer.name for buffer in plan.memory.buffers}


def test_inputs_of_kernels_have_room_for_the_read_ahead() -> None:
    plan = _storage(rotation())
    (staged,) = [b for b in plan.memory.buffers if b.name == "x_staged"]
    assert staged.size == 16 * 2  # two values, read as sixteen


def test_arena_plans_do_not_overlap() -> None:
    for model in (gru(), lstm(), delay_line()):
        assert check_overlap(_storage(model, state_bits=8).memory) == []
