from __future__ import annotations

import pytest

from tqs_edge.codegen.tidy_c import drop_double_parentheses, tidy_statement, wrap


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f((&(x[0])), (&(y[32])));", "f(x, y + 32);"),
        ("y[(i + 64)] = ((int32_t)x[i]) * 2;", "y[i + 64] = (int32_t)x[i] * 2;"),
        ("f(((a + b)), 3);", "f((a + b), 3);"),
        ("f((int16_t)0);", "f((int16_t)0);"),
        ("g = ((a)) + (b);", "g = (a) + (b);"),
        ("for (int32_t i = 0; i < 4; ++i) {", "for (int32_t i = 0; i < 4; ++i) {"),
    ],
)
def test_statements_lose_what_c_does_not_need(before: str, after: str) -> None:
    assert tidy_statement(before) == after


def test_parentheses_of_two_expressions_stay() -> None:
    assert drop_double_parentheses("((a) + (b))") == "((a) + (b))"


def test_long_lines_break_between_declarations() -> None:
    parameters = ", ".join(f"const int32_t *parameter_{n}" for n in range(9))
    text = wrap(f"static void f({parameters}) {{", 0, hanging=14)
    assert max(map(len, text.splitlines())) <= 100
    assert all(line.strip().startswith(("static", "const int32_t *")) for line in text.splitlines())
