"""Training is repeatable to the byte."""

import hashlib
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from tqs_edge import zoo
from tqs_edge.zoo import train


def digest(module):
    return hashlib.sha256(save(module.state_dict())).hexdigest()


@pytest.mark.parametrize("name", zoo.MODELS)
def test_every_model_has_a_recipe_that_trains_the_same_bytes_twice(name):
    recipe = train.RECIPES[name]
    if isinstance(recipe, train.Recipe):  # a ridge regression is quick as it is
        recipe = replace(recipe, iterations=2, batch=4)
    runs = [digest(train.train(zoo.MODELS[name], recipe)) for _ in range(2)]
    assert runs[0] == runs[1]


def test_stored_weights_are_found_by_load(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "WEIGHTS_DIR", tmp_path)
    monkeypatch.setattr(train, "WEIGHTS_DIR", tmp_path)
    for name in ("gru-4x32", "lorenz-gru"):
        train.store(name, zoo.build(zoo.MODELS[name]))
    assert zoo.load("gru-4x32").name == "gru-4x32"
    assert not list(tmp_path.glob("*.partial"))


def test_context_is_fed_first_and_the_outputs_after_it():
    card = zoo.MODELS["pendulum-ode"]
    rows = torch.tensor([[[1.0], [20.0], [300.0]]])
    outputs = train.run_free(lambda x: 2 * x, rows, replace(card, context_length=2))
    assert outputs[0, :, 0].tolist() == [2.0, 40.0]
    outputs = train.run_free(lambda x: 2 * x, rows, card)
    assert outputs[0, :, 0].tolist() == [2.0, 4.0]


def test_window_slides_over_its_own_outputs():
    card = replace(zoo.MODELS["mackey-mlp"], context_length=2)
    rows = torch.tensor([[[1.0], [2.0], [99.0], [99.0], [99.0]]])
    outputs = train.run_free(lambda window: window.sum(1, keepdim=True), rows, card)
    assert outputs[0, :, 0].tolist() == [3.0, 5.0, 8.0]


def test_window_slides_by_whole_blocks_and_the_surplus_is_cut():
    card = replace(zoo.MODELS["co2-dlinear"], context_length=2, block=2)
    rows = torch.tensor([[[1.0], [2.0], [99.0], [99.0], [99.0]]])
    outputs = train.run_free(lambda window: 10 * window, rows, card)
    assert outputs[0, :, 0].tolist() == [10.0, 20.0, 100.0]


def test_exogenous_row_goes_with_the_row_it_acts_on():
    card = replace(zoo.MODELS["driven-euler"], features=1)
    rows = torch.tensor([[[1.0, 10.0], [99.0, 20.0], [99.0, 30.0]]])
    outputs = train.run_free(lambda x, exog: x + exog, rows, card)
    assert outputs[0, :, 0].tolist() == [11.0, 31.0]


def test_frozen_batch_norm_keeps_its_statistics():
    module = zoo.build(zoo.MODELS["oscillators-dsconv"]).train()
    train.freeze_batch_norms(module)
    before = {name: b.clone() for name, b in module.named_buffers()}
    module(torch.randn(4, 16, 4))
    assert all(torch.equal(b, before[name]) for name, b in module.named_buffers())


def test_shaken_weights_move_matrices_only_and_come_back():
    module = zoo.build(zoo.MODELS["ppg-gru"])
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    torch.manual_seed(0)
    with train.shaken_weights(module, 0.1):
        moved = {name for name, p in module.named_parameters() if not torch.equal(p, before[name])}
        change = (module.cell.weight_hh - before["cell.weight_hh"]).square().mean(dim=1).sqrt()
        share = change / before["cell.weight_hh"].square().mean(dim=1).sqrt()
    assert moved == {name for name, p in before.items() if p.ndim > 1}
    assert share.mean().item() == pytest.approx(0.1, rel=0.1)
    assert all(torch.equal(p, before[name]) for name, p in module.named_parameters())


def test_without_weight_noise_no_random_number_is_drawn():
    module = zoo.build(zoo.MODELS["ppg-gru"])
    state = torch.get_rng_state()
    with train.shaken_weights(module, 0.0):
        pass
    assert torch.equal(torch.get_rng_state(), state)
