"""Numbers from .npy and .csv files, with errors that name the cell."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from tqs_edge.errors import InputError


def read_series(path: Path, columns: int) -> np.ndarray:
    """A finite float32 array [rows, columns] or [contexts, rows, columns].

    .npy: any real dtype; [rows] is taken as one column. .csv: comma separated with an optional
    header; columns without a single number (time stamps) are skipped. Raises InputError.
    """
    if not path.exists():
        raise InputError(f"file '{path}' does not exist; give a .npy or .csv file")
    if path.is_dir():
        raise InputError(f"'{path}' is a directory; give a .npy or .csv file")
    if path.suffix == ".npy":
        values, names = _read_npy(path), None
    elif path.suffix == ".csv":
        values, names = _read_csv(path)
    else:
        raise InputError(f"'{path}' is neither .npy nor .csv; save it with numpy.save")
    if values.ndim == 1 and columns == 1:
        values = values[:, None]
    if values.ndim not in (2, 3) or values.shape[-1] != columns:
        raise InputError(
            f"'{path}' has shape {list(values.shape)}, want [rows, {columns}] or "
            f"[contexts, rows, {columns}]"
        )
    if values.size == 0:
        raise InputError(f"'{path}' is empty: shape {list(values.shape)}")
    with np.errstate(over="ignore"):
        series = np.ascontiguousarray(values, dtype=np.float32)
    _check_finite(path, series, names)
    return series


def _read_npy(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(
            f"'{path}' is not a plain .npy array ({error}); save it with numpy.save as float32"
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise InputError(f"'{path}' does not hold real numbers; save it with numpy.save as float32")
    return array


def _read_csv(path: Path) -> tuple[np.ndarray, list[str]]:
    """(values float64 [rows, numeric columns], column names)."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"'{path}' is not a text file of comma separated numbers") from error
    if not lines:
        raise InputError(f"'{path}' is empty; want one row of numbers per time step")
    has_header = not any(_is_number(cell) for cell in lines[0])
    names = lines[0] if has_header else [f"column {i + 1}" for i in range(len(lines[0]))]
    body = lines[1:] if has_header else lines
    width = len(names)
    for number, line in enumerate(body, start=1):
        if len(line) != width:
            raise InputError(f"'{path}' data row {number} has {len(line)} cells, want {width}")
    kept = [c for c in range(width) if any(_is_number(line[c]) for line in body)]
    values = np.empty((len(body), len(kept)))
    for row, line in enumerate(body):
        for place, column in enumerate(kept):
            cell = line[column]
            if not _is_number(cell):
                where = f"data row {row + 1}, {names[column]}"
                raise InputError(f"'{path}' {where}: {cell!r} is not a number")
            values[row, place] = float(cell)
    return values, [names[column] for column in kept]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_finite(path: Path, series: np.ndarray, names: list[str] | None) -> None:
    bad = np.argwhere(~np.isfinite(series))
    if len(bad) == 0:
        return
    *leading, row, column = (int(index) for index in bad[0])
    place = f"context {leading[0]}, " if leading else ""
    label = f"row {row}, column {column}"
    if names is not None:
        label = f"data row {row + 1}, {names[column]}"
    raise InputError(
        f"'{path}' has {len(bad)} NaN or infinite values, the first at {place}{label}; "
        "fill or cut such rows"
    )
