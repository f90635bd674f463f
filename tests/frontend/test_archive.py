"""Loading a model file runs nothing that the file contains, and refuses what could."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.frontend import models
from tqs_edge.errors import InputError, UnsafeModelFile
from tqs_edge.frontend import load_model
from tqs_edge.frontend.archive import load_archive

MODEL = "gru/models/model.json"
CONSTANTS = "gru/data/constants/model_constants_config.json"
WEIGHTS = "gru/data/weights/model_weights_config.json"
SAMPLES = "gru/data/sample_inputs/model.pt"


class Payload:
    """Unpickling this creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "gru.pt2"
    torch.export.save(models.export(*models.supported()["GRUCell"]), path)
    return path


def tampered(good: Path, into: Path, changes: dict[str, Callable[[bytes], bytes]]) -> Path:
    """A copy of an archive with entries changed (or added, from empty bytes)."""
    path = into / "bad.pt2"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        names = [*source.namelist(), *(n for n in changes if n not in source.namelist())]
        for name in names:
            content = source.read(name) if name in source.namelist() else b""
            target.writestr(name, changes.get(name, bytes)(content))
    return path


def edited(edit: Callable[[dict], None]) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        value = json.loads(content)
        edit(value)
        return json.dumps(value).encode()

    return change


def test_saved_program_loads_with_the_same_graph(good):
    loaded = load_model(good)
    assert (loaded.model.name, loaded.model.source) == ("gru", "gru.pt2")
    assert loaded.model.graph.nodes == models.loaded("GRUCell").model.graph.nodes


@pytest.mark.parametrize("prefix", ["custom_obj_", "opaque_obj_"])
def test_pickled_object_is_refused_and_not_run(good, tmp_path, prefix):
    marker = tmp_path / "ran"

    def add(config: dict) -> None:
        payload = {"path_name": f"{prefix}0", "is_param": False, "use_pickle": True}
        config["config"]["evil"] = payload | {"tensor_meta": None}

    path = tampered(
        good,
        tmp_path,
        {
            CONSTANTS: edited(add),
            f"gru/data/constants/{prefix}0": lambda _: pickle.dumps(Payload(marker)),
        },
    )
    with pytest.raises(UnsafeModelFile, match=r"could run code|can run code"):
        load_model(path)
    assert not marker.exists()


def test_weight_stored_as_a_pickle_is_refused_and_not_run(good, tmp_path):
    marker = tmp_path / "ran"
    buffer = io.BytesIO()
    torch.save(Payload(marker), buffer)

    def use_pickle(config: dict) -> None:
        config["config"]["head.bias"]["use_pickle"] = True

    changes = {
        WEIGHTS: edited(use_pickle),
        "gru/data/weights/weight_5": lambda _: buffer.getvalue(),
    }
    with pytest.raises(UnsafeModelFile, match=r"head\.bias.*pickle"):
        load_archive(tampered(good, tmp_path, changes))
    assert not marker.exists()


def test_tensor_that_claims_more_numbers_than_it_has_bytes_is_refused(good, tmp_path):
    def enlarge(config: dict) -> None:
        config["config"]["head.bias"]["tensor_meta"]["sizes"] = [{"as_int": 10**12}]

    with pytest.raises(UnsafeModelFile, match=r"head\.bias.*fewer bytes"):
        load_archive(tampered(good, tmp_path, {WEIGHTS: edited(enlarge)}))


@pytest.mark.parametrize("entry", [MODEL, WEIGHTS, CONSTANTS])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b'{"config": [1]}', b"[" * 9999])
def test_damaged_description_is_an_input_error(good, tmp_path, entry, content):
    with pytest.raises(InputError, match=r"damaged|pickle"):
        load_archive(tampered(good, tmp_path, {entry: lambda _: content}))


def test_sample_inputs_that_run_code_are_refused_and_not_run(good, tmp_path):
    marker = tmp_path / "ran"
    buffer = io.BytesIO()
    torch.save(Payload(marker), buffer)
    with pytest.raises(UnsafeModelFile, match="sample inputs"):
        load_archive(tampered(good, tmp_path, {SAMPLES: lambda _: buffer.getvalue()}))
    assert not marker.exists()


def test_compressed_sample_inputs_are_refused_before_they_unpack(good, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as nested:
        nested.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(UnsafeModelFile, match="unpack to 10000000 bytes"):
        load_archive(tampered(good, tmp_path, {SAMPLES: lambda _: buffer.getvalue()}))


def test_expression_is_refused_and_not_evaluated(good, tmp_path):
    marker = tmp_path / "ran"
    expression = f"__import__('pathlib').Path({str(marker)!r}).touch()"

    def put(graph: dict) -> None:
        sizes = graph["graph_module"]["graph"]["tensor_values"]["x"]["sizes"]
        sizes[0] = {"as_expr": {"expr_str": expression, "hint": {"as_int": 1}}}

    with pytest.raises(InputError, match="dynamic shapes"):
        load_archive(tampered(good, tmp_path, {MODEL: edited(put)}))
    assert not marker.exists()


def test_guards_are_dropped_and_not_run(good, tmp_path):
    marker = tmp_path / "ran"
    guard = f"__import__('pathlib').Path({str(marker)!r}).touch() or True"
    changes = {MODEL: edited(lambda graph: graph.update(guards_code=[guard]))}
    load_archive(tampered(good, tmp_path, changes)).module()
    assert not marker.exists()


def test_target_outside_aten_is_refused(good, tmp_path):
    def put(graph: dict) -> None:
        graph["graph_module"]["graph"]["nodes"][0]["target"] = "torch.hub.load"

    with pytest.raises(UnsafeModelFile, match=r"torch\.hub\.load"):
        load_archive(tampered(good, tmp_path, {MODEL: edited(put)}))


def test_name_with_code_is_refused(good, tmp_path):
    def put(graph: dict) -> None:
        graph["graph_module"]["graph"]["nodes"][0]["name"] = "x = print(1)\ny"

    with pytest.raises(UnsafeModelFile, match="not an identifier"):
        load_archive(tampered(good, tmp_path, {MODEL: edited(put)}))


def test_container_that_imports_a_module_is_refused(good, tmp_path):
    def put(graph: dict) -> None:
        call = graph["graph_module"]["module_call_graph"][0]["signature"]
        spec = json.loads(call["in_spec"])
        spec[1]["type"] = "collections.defaultdict"
        call["in_spec"] = json.dumps(spec)

    with pytest.raises(UnsafeModelFile, match=r"collections\.defaultdict"):
        load_archive(tampered(good, tmp_path, {MODEL: edited(put)}))


@pytest.mark.parametrize(
    "name",
    ["gru/data/aotinductor/model/x.so", "gru/data/weights/model.pt", "gru/data/other.bin"],
)
def test_entry_that_is_not_plain_data_is_refused(good, tmp_path, name):
    with pytest.raises(UnsafeModelFile, match=name.split("/", 1)[1]):
        load_archive(tampered(good, tmp_path, {name: lambda _: b"x"}))


@pytest.mark.parametrize("name", ["../evil", "gru/../evil", "/etc/evil", "gru/a\\b", "other/entry"])
def test_path_trick_is_refused(good, tmp_path, name):
    with pytest.raises(UnsafeModelFile, match=r"suspicious path|more than one root"):
        load_archive(tampered(good, tmp_path, {name: lambda _: b"x"}))


def test_zip_bomb_is_refused_without_unpacking(tmp_path):
    path = tmp_path / "bomb.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/models/model.json", bytes(50_000_000))
    with pytest.raises(UnsafeModelFile, match="zip bomb"):
        load_archive(path)


def test_torch_save_file_is_refused(tmp_path):
    path = tmp_path / "weights.pt2"
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(UnsafeModelFile, match=r"torch\.save"):
        load_archive(path)


def test_plain_pickle_is_refused_and_not_run(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(UnsafeModelFile, match="is a pickle"):
        load_model(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.pt2", None, "does not exist"),
        ("folder.pt2", "folder", "is a directory"),
        ("notes.pt2", b"hello", "not a .pt2 archive"),
        ("empty.pt2", b"", "not a .pt2 archive"),
    ],
)
def test_wrong_file_is_an_input_error_with_a_fix(tmp_path, name, content, reason):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_truncated_archive_is_an_input_error(good, tmp_path):
    path = tmp_path / "short.pt2"
    path.write_bytes(good.read_bytes()[:-200])
    with pytest.raises(InputError, match="truncated or damaged"):
        load_archive(path)


def test_other_zip_is_an_input_error(tmp_path):
    path = tmp_path / "other.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/readme.txt", "hello")
    with pytest.raises(InputError, match=r"zip file but not a .pt2"):
        load_archive(path)


def test_archive_with_a_missing_weight_is_an_input_error(good, tmp_path):
    path = tmp_path / "missing.pt2"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if not name.endswith("weight_0"):
                target.writestr(name, source.read(name))
    with pytest.raises(InputError, match="weight_0' is missing"):
        load_archive(path)
