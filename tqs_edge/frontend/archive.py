"""Reads .pt2 archives (torch.export.save) without running anything that they contain.

torch.export.load unpickles custom objects and evaluates strings of the archive. So the archive is
taken apart here with the standard library, only known entries that hold plain data are kept, and a
new archive of just those entries, in memory, is what torch gets to see.
"""

from __future__ import annotations

import io
import json
import logging
import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from tqs_edge.errors import InputError, UnsafeModelFile
from tqs_edge.frontend.archive_graph import checked_graph

EXPORT_HINT = "save the model with torch.export.save(torch.export.export(model, inputs), 'm.pt2')"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"
MODEL_JSON = "models/model.json"
CONFIGS = (
    "data/weights/model_weights_config.json",
    "data/constants/model_constants_config.json",
)
PLAIN_ENTRIES = re.compile(
    r"archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+"
)
IGNORED_ENTRIES = re.compile(r"extra/.*")


def load_archive(path: Path) -> ExportedProgram:
    """The exported program in a .pt2 file.

    Raises InputError when the file is missing or not a .pt2 archive, UnsafeModelFile when it
    could run code (pickles, custom objects, compiled libraries, expressions) or unpacks to more
    bytes than it has.
    """
    content = _read(path)
    try:
        clean = _repack(_entries(path, content), path)
    except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"'{path}' is damaged ({error!r}); export it again") from error
    logger = logging.getLogger("torch.export")
    level = logger.level
    logger.setLevel(logging.ERROR)  # torch logs the traceback of what it also raises
    try:
        return torch.export.load(clean)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise InputError(
            f"'{path}' could not be read by torch {torch.__version__} ({reason}); "
            "export it again with this version"
        ) from error
    finally:
        logger.setLevel(level)


def _read(path: Path) -> bytes:
    if not path.exists():
        raise InputError(f"model file '{path}' does not exist; {EXPORT_HINT}")
    if path.is_dir():
        raise InputError(f"'{path}' is a directory; name the .pt2 file in it")
    content = path.read_bytes()
    if content[:1] == b"\x80":
        raise UnsafeModelFile(f"'{path}' is a pickle, which can run code; {EXPORT_HINT}")
    if content[:4] != b"PK\x03\x04":
        raise InputError(f"'{path}' is not a .pt2 archive; {EXPORT_HINT}")
    return content


def _entries(path: Path, content: bytes) -> dict[str, bytes]:
    """Entry name below the archive's root folder -> content, with tricks of the zip refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _check_directory(path, infos, len(content))
            entries = {info.filename.split("/", 1)[1]: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise InputError(f"'{path}' is truncated or damaged ({error}); copy it again") from error
    if any(name == "data.pkl" for name in entries):
        raise UnsafeModelFile(
            f"'{path}' is a torch.save or TorchScript file, which can run code; {EXPORT_HINT}"
        )
    if MODEL_JSON not in entries or "archive_format" not in entries:
        raise InputError(f"'{path}' is a zip file but not a .pt2 archive; {EXPORT_HINT}")
    return entries


def _check_directory(path: Path, infos: list[zipfile.ZipInfo], size: int) -> None:
    if not infos or min(info.header_offset for info in infos) != 0:
        raise InputError(f"'{path}' is truncated or damaged (no zip directory); copy it again")
    names = [info.filename for info in infos]
    for name in names:
        parts = name.split("/")
        if len(parts) < 2 or ".." in parts or "" in parts or "\\" in name or ":" in name:
            raise UnsafeModelFile(f"'{path}' has an entry with a suspicious path {name!r}")
    if len({name.split("/", 1)[0] for name in names}) != 1 or len(set(names)) != len(names):
        raise UnsafeModelFile(f"'{path}' has duplicate entries or more than one root folder")
    compressed = any(info.compress_type != zipfile.ZIP_STORED for info in infos)
    if compressed or sum(info.file_size for info in infos) > size:
        raise UnsafeModelFile(
            f"'{path}' has compressed or overlapping entries, which torch.export.save never "
            "writes; it may be a zip bomb"
        )


def _repack(entries: Mapping[str, bytes], path: Path) -> io.BytesIO:
    """A new archive of the entries that hold plain data; UnsafeModelFile for any other."""
    kept: dict[str, bytes] = {}
    for name, content in entries.items():
        if name in CONFIGS:
            _check_config(path, name, json.loads(content), entries)
        elif name == SAMPLE_INPUTS:
            _check_sample_inputs(path, content)
        elif name == MODEL_JSON:
            content = json.dumps(checked_graph(path, json.loads(content))).encode()
        elif IGNORED_ENTRIES.fullmatch(name):
            continue
        elif not PLAIN_ENTRIES.fullmatch(name):
            raise UnsafeModelFile(
                f"'{path}' carries '{name}', which could run code; export a plain nn.Module "
                "without custom objects"
            )
        kept[name] = content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in kept.items():
            archive.writestr(f"model/{name}", content)
    buffer.seek(0)
    return buffer


def _check_config(path: Path, name: str, config: Any, entries: Mapping[str, bytes]) -> None:
    """Refuses tensors stored as pickles and names of entries that do not exist."""
    folder = name.rsplit("/", 1)[0]
    tensors = config.get("config") if isinstance(config, dict) else None
    if not isinstance(tensors, dict):
        raise InputError(f"'{path}' is damaged: '{name}' lists no tensors; export it again")
    for tensor, payload in tensors.items():
        entry = f"{folder}/{payload.get('path_name')}"
        if payload.get("use_pickle") is not False or not PLAIN_ENTRIES.fullmatch(entry):
            raise UnsafeModelFile(f"'{path}' stores '{tensor}' as a pickle, which can run code")
        if entry not in entries:
            raise InputError(f"'{path}' is damaged: '{entry}' is missing; export it again")
        numbers = math.prod(extent["as_int"] for extent in payload["tensor_meta"]["sizes"])
        if numbers > len(entries[entry]):
            raise UnsafeModelFile(
                f"'{path}' stores '{tensor}' in fewer bytes than it has numbers; it may be a bomb"
            )


def _check_sample_inputs(path: Path, content: bytes) -> None:
    """Refuses sample inputs that are more than tensors: torch would unpickle them unrestricted."""
    if not content:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as nested:
            unpacked = sum(info.file_size for info in nested.infolist())
        if unpacked > len(content):
            raise UnsafeModelFile(f"'{path}' has sample inputs that unpack to {unpacked} bytes")
        torch.load(io.BytesIO(content), weights_only=True)
    except UnsafeModelFile:
        raise
    except Exception as error:
        raise UnsafeModelFile(
            f"'{path}' has sample inputs that are more than tensors and could run code; "
            "export with plain tensors"
        ) from error
