"""Training is repeatable to the byte."""

import hashlib
from dataclasses import replace

import pytest
from safetensors.torch import save

from tqs_edge import zoo
from tqs_edge.zoo import train


def digest(module):
    return hashlib.sha256(save(module.state_dict())).hexdigest()


@pytest.mark.parametrize("name", zoo.MODELS)
def test_every_model_has_a_recipe_that_trains_the_same_bytes_twice(name):
    recipe = replace(train.RECIPES[name], iterations=2, batch=4)
    runs = [digest(train.train(zoo.MODELS[name], recipe)) for _ in range(2)]
    assert runs[0] == runs[1]


def test_stored_weights_are_found_by_load(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS_DIR", tmp_path)
    monkeypatch.setattr(train, "WEIGHTS_DIR", tmp_path)
    for name in ("gru-4x32", "lorenz-gru"):
        train.store(name, zoo.build(zoo.MODELS[name]))
    assert zoo.load("gru-4x32").name == "gru-4x32"
    assert not list(tmp_path.glob("*.partial"))
