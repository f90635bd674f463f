"""TOML files that inherit from one another, as dataclasses; errors name the line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tqs_edge.errors import InputError

INHERITS = "inherits"
Record = TypeVar("Record")


@dataclass(frozen=True)
class DataFile:
    """The values of a file and of what it inherits.

    values: nested tables as TOML gives them, without the key `inherits`
    places: "file.toml:12" for each key, keys of tables as "uart.base"
    """

    path: Path
    values: Mapping[str, Any]
    places: Mapping[str, str]

    def error(self, key: str, text: str) -> InputError:
        """An error about `key` that says where the key stands."""
        return InputError(f"{self.places.get(key, shown(self.path))}: {text}")


def read_data(path: Path, find: Callable[[str, Path], Path]) -> DataFile:
    """The file at `path` on top of what it inherits; a key of its own replaces an inherited one.

    find: the file that `inherits = "NAME"` in the file `path` means, called as find(NAME, path)
    Raises InputError for a file that is not TOML or inherits in a circle.
    """
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    chain: list[Path] = []
    current: Path | None = path
    while current is not None:
        if current in chain:
            raise InputError(f"{shown(path)}: inherits from itself through {shown(chain[-1])}")
        chain.append(current)
        text, table = _parse(current)
        parent = table.pop(INHERITS, None)
        for key, value in table.items():
            _add(values, places, key, value, text, current)
        if parent is not None and not isinstance(parent, str):
            raise InputError(f"{_place(current, text, INHERITS)}: inherits is the name of a board")
        current = None if parent is None else find(parent, current)
    return DataFile(path, values, places)


def make_record(
    kind: type[Record],
    data: DataFile,
    *,
    given: Mapping[str, Any],
    choices: Mapping[str, tuple[str, ...]],
    prefix: str = "",
) -> Record:
    """The dataclass `kind` from the values of `data`, with `given` for the fields it cannot hold.

    "" stands for None in a field that may be None: it takes away what is inherited.

    choices: allowed strings by field name; prefix: "uart." for a record that is a table.
    Raises InputError with file, line and what is allowed for an unknown, missing or wrong value.
    """
    table = data.values[prefix[:-1]] if prefix else data.values
    hints = get_type_hints(kind)
    members = [field for field in fields(kind) if field.name not in given]  # type: ignore[arg-type]
    known = {field.name for field in members}
    for key in table:
        if key not in known:
            raise data.error(prefix + key, f"unknown key '{key}'; known: {sorted(known)}")
    result = dict(given)
    for field in members:
        key = prefix + field.name
        if field.name not in table:
            if field.default is MISSING and field.default_factory is MISSING:
                raise data.error(prefix[:-1], f"key '{field.name}' is missing")
            continue
        wanted = _without_none(hints[field.name])
        if table[field.name] == "" and wanted is not hints[field.name]:
            result[field.name] = None
            continue
        if is_dataclass(wanted) and isinstance(table[field.name], dict):
            result[field.name] = make_record(
                wanted,  # type: ignore[arg-type]
                data,
                given={},
                choices=choices,
                prefix=f"{key}.",
            )
            continue
        value = _checked(table[field.name], wanted, key, data)
        if (allowed := choices.get(field.name)) and value not in allowed:
            raise data.error(key, f"{key} = '{value}'; allowed: {', '.join(allowed)}")
        result[field.name] = value
    return kind(**result)


def shown(path: Path) -> str:
    """A path as messages show it: from the working directory where it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{shown(path)}: not valid TOML: {error}") from None


def _add(
    values: dict[str, Any],
    places: dict[str, str],
    key: str,
    value: Any,
    text: str,
    path: Path,
) -> None:
    if not isinstance(value, dict):
        if key not in values:
            values[key] = value
            places[key] = _place(path, text, key)
        return
    table = values.setdefault(key, {})
    places.setdefault(key, _place(path, text, key))
    if isinstance(table, dict):
        for name, entry in value.items():
            if name not in table:
                table[name] = entry
                places[f"{key}.{name}"] = _place(path, text, name, table=key)


def _place(path: Path, text: str, key: str, *, table: str = "") -> str:
    """ "file.toml:7", the line where `key` is set; a table's own line for the table."""
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            current = header[1].strip()
            if current == key and not table:
                return f"{shown(path)}:{number}"
        elif current == table and re.match(rf'\s*"?{re.escape(key)}"?\s*[=.]', line):
            return f"{shown(path)}:{number}"
    return shown(path)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        return next(member for member in get_args(hint) if member is not NoneType)
    return hint


WORDS = {str: "a text in quotes", int: "a whole number", bool: "true or false"}


def _checked(value: Any, hint: Any, key: str, data: DataFile) -> Any:
    """`value` with lists as tuples; InputError where it is not of the type `hint`."""
    if hint in WORDS:
        if type(value) is not hint:
            raise data.error(key, f"{key} is {WORDS[hint]}, got {value!r}")
        return value
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise data.error(key, f"{key} is a list, got {value!r}")
        if arguments[-1] is Ellipsis:
            return tuple(_checked(entry, arguments[0], key, data) for entry in value)
        if len(value) != len(arguments):
            raise data.error(key, f"{key} is a list of {len(arguments)} values, got {value!r}")
        return tuple(
            _checked(entry, kind, key, data) for entry, kind in zip(value, arguments, strict=True)
        )
    if not isinstance(value, dict):
        raise data.error(key, f"{key} is a table [{key}], got {value!r}")
    return {
        name: _checked(entry, arguments[1], f"{key}.{name}", data) for name, entry in value.items()
    }
