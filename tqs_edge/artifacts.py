"""Saving and loading frozen dataclasses: JSON with arrays beside it, whole or not at all."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import os
import tempfile
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tqs_edge.errors import InputError

SCHEMA = 1
T = TypeVar("T")


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` under a temporary name and renames it, so that no reader sees half a file.

    Raises InputError where the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror}; choose another -o") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise InputError(f"cannot write '{path}': {error.strerror}; choose another -o") from error


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes plain data as indented JSON with a stable key order; NaN is refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON of `path`; InputError where it is missing or not JSON."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"'{path}' does not exist; run `tqs-edge compile` first") from None
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is not readable JSON: {error}; make it anew") from None


def sha256(data: bytes) -> str:
    """The hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def content_hash(value: Any) -> str:
    """A hash of everything in a frozen dataclass, arrays included."""
    arrays: dict[str, np.ndarray] = {}
    plain = json.dumps(_pack(value, arrays), sort_keys=True)
    digest = hashlib.sha256(plain.encode())
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        digest.update(f"{key}:{array.dtype.str}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save(path: Path, value: Any) -> None:
    """Saves a frozen dataclass as `path` (JSON) and, if it holds arrays, `path` + ".npz"."""
    arrays: dict[str, np.ndarray] = {}
    plain = _pack(value, arrays)
    if arrays:
        write_bytes(path.with_suffix(path.suffix + ".npz"), _npz(arrays))
    write_json(path, {"schema": SCHEMA, "type": type(value).__name__, "value": plain})


def load(path: Path, kind: type[T]) -> T:
    """The dataclass `kind` saved at `path`; InputError where the file holds something else."""
    document = read_json(path)
    if not isinstance(document, dict) or document.get("type") != kind.__name__:
        raise InputError(f"'{path}' is not a saved {kind.__name__}; make it anew")
    if document.get("schema") != SCHEMA:
        raise InputError(f"'{path}' was written by another version of tqs_edge; make it anew")
    beside = path.with_suffix(path.suffix + ".npz")
    arrays: Mapping[str, np.ndarray] = {}
    try:
        if beside.exists():
            with np.load(beside, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
        value: T = _unpack(document["value"], kind, arrays)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"'{path}' is damaged ({error}); make it anew") from None
    return value


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz whose bytes depend on the arrays alone (zip members carry a fixed date)."""
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[key]))
            info = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, np.ndarray):
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bool | int | float | str | None):
        return value
    if dataclasses.is_dataclass(value):
        packed = {f.name: _pack(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **packed}
    if isinstance(value, Mapping):
        return {str(key): _pack(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_pack(item, arrays) for item in value]
    raise TypeError(f"cannot save a {type(value).__name__}")


def _unpack(value: Any, kind: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    origin = typing.get_origin(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _unpack(value, _union_member(value, typing.get_args(kind)), arrays)
    if isinstance(value, dict) and set(value) == {"array"}:
        return arrays[value["array"]]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind)]
        return kind(**{name: _unpack(value[name], hints[name], arrays) for name in names})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    if origin is not None and isinstance(value, dict):
        item = typing.get_args(kind)[1]
        return {key: _unpack(entry, item, arrays) for key, entry in value.items()}
    if isinstance(value, list):
        return tuple(_unpack(v, k, arrays) for v, k in zip(value, _items(kind, value), strict=True))
    return value


def _items(kind: Any, value: list[Any]) -> list[Any]:
    args = typing.get_args(kind)
    if not args:
        return [Any] * len(value)
    return [args[0]] * len(value) if len(args) == 1 or args[-1] is Ellipsis else list(args)


def _union_member(value: Any, members: tuple[Any, ...]) -> Any:
    if value is None:
        return type(None)
    named = value.get("kind") if isinstance(value, dict) else None
    candidates = [m for m in members if m is not type(None)]
    for member in candidates:
        if getattr(member, "__name__", None) == named:
            return member
    return candidates[0]


def atomic_directory(target: Path, fill: Callable[[Path], None]) -> None:
    """Fills a temporary directory and puts it in the place of `target` only when `fill` returns.

    A `target` made by an earlier run is replaced; any other non-empty directory is refused with
    InputError. Nothing is left behind when `fill` raises.
    """
    import shutil

    if target.is_file() or (target.is_dir() and not _is_ours(target) and any(target.iterdir())):
        raise InputError(f"'{target}' exists and was not made by tqs-edge; choose another -o")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise InputError(f"cannot write '{target}': {error.strerror}; choose another -o") from error
    try:
        fill(temporary)
        os.chmod(temporary, 0o755)
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_ours(directory: Path) -> bool:
    return (directory / "manifest.json").is_file()
