"""Small rewritings of TVM's C text that change how it reads and never what it computes."""

from __future__ import annotations

import re
import textwrap

LINE_LENGTH = 100
PROTECTED = "\x00"  # a space at which no line may be broken


def tidy_statement(code: str) -> str:
    """One line of C with plain pointers and without parentheses that C does not need."""
    code = re.sub(r"\(&\((\w+)\[0\]\)\)", r"\1", code)
    code = re.sub(r"\(&\((\w+)\[([^\[\]]+)\]\)\)", r"\1 + \2", code)
    # A cast of a primary expression binds tighter than every operator around it.
    code = re.sub(r"(?<!\w)\((\(u?int\d+_t\)\w+(?:\[[^\[\]]*\])?)\)(?!\[)", r"\1", code)
    code = re.sub(r"\[\(([^()]*)\)\]", r"[\1]", code)
    return drop_double_parentheses(code)


def drop_double_parentheses(code: str) -> str:
    """`code` with every ((...)) that encloses one expression reduced to (...)."""
    partner = _partners(code)
    inner = {
        place
        for open_, close in partner.items()
        if partner.get(open_ + 1) == close - 1
        for place in (open_ + 1, close - 1)
    }
    return "".join(c for place, c in enumerate(code) if place not in inner)


def _partners(code: str) -> dict[int, int]:
    """Place of every opening parenthesis -> place of the one that closes it."""
    partners, stack = {}, []
    for place, character in enumerate(code):
        if character == "(":
            stack.append(place)
        elif character == ")":
            partners[stack.pop()] = place
    return partners


def wrap(code: str, indent: int, *, hanging: int | None = None) -> str:
    """`code` at `indent` spaces in lines of at most 100 columns; later lines at `hanging`.

    Declarations ("const int32_t *x") and subscripts are never broken.
    """
    code = re.sub(r"(const )?(u?int\d+_t) \*", lambda m: m[0].replace(" ", PROTECTED), code)
    code = re.sub(r"\[[^\[\]]*\]", lambda m: m[0].replace(" ", PROTECTED), code)
    lines = textwrap.wrap(
        code,
        LINE_LENGTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4 if hanging is None else hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace(PROTECTED, " ")


def wrap_calls(code: str, indent: int) -> str:
    """`wrap` that may break a line between a function and the call that is its argument."""
    return re.sub(r"\x01 ?", "", wrap(code.replace("(tqs_", "(\x01 tqs_"), indent))
