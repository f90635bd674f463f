"""The shipped models load, have the promised shapes and stay on their attractors."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from tqs_edge import zoo
from tqs_edge.errors import InputError
from tqs_edge.zoo.series import PENDULUM_STEP, integrate

NAMES = list(zoo.MODELS)
PACKAGE_DIR = zoo.WEIGHTS_DIR.parent


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    return zoo.load(request.param)


@torch.no_grad()
def free_rollout(
    model: zoo.ZooModel, contexts: np.ndarray, horizon: int, exog: np.ndarray | None = None
) -> np.ndarray:
    """Frames [N, horizon, F]; exog [N, calls, E] is repeated where the rollout outlasts it."""
    rows = torch.from_numpy(contexts)
    if model.form == "windowed":
        return free_window(model, rows, horizon)
    # The batch of a state is its last axis but one.
    states = [torch.zeros(*s[:-2], len(rows), s[-1]) for s in model.card.state_shapes]
    frames: list[torch.Tensor] = []
    for call in range(rows.shape[1] + horizon - 1):
        x = rows[:, call] if call < rows.shape[1] else frames[-1]
        known = () if exog is None else (torch.from_numpy(exog[:, call % exog.shape[1]]),)
        outputs = model.module(x, *known, *states)
        output, *states = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        frames.append(output)
    return torch.stack(frames[-horizon:], 1).numpy()


def free_window(model: zoo.ZooModel, rows: torch.Tensor, horizon: int) -> np.ndarray:
    length = rows.shape[1]
    while rows.shape[1] < length + horizon:
        rows = torch.cat([rows, model.module(rows[:, -length:])], 1)
    return rows[:, length : length + horizon].numpy()


def all_exog(model: zoo.ZooModel) -> np.ndarray | None:
    if model.planning_exog is None:
        return None
    return np.concatenate([model.planning_exog, model.judging_exog])


def nrmse(frames: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((frames - truth) ** 2)) / truth.std())


def repeated_last_beat(contexts: np.ndarray, horizon: int) -> np.ndarray:
    """Seasonal-naive forecast: the last period, of the length that fits the context best."""

    def best_period(rows: np.ndarray) -> int:
        return min(range(8, 21), key=lambda p: np.mean((rows[p:] - rows[:-p]) ** 2))

    periods = [best_period(rows) for rows in contexts]
    pairs = zip(contexts, periods, strict=True)
    return np.stack([rows[len(rows) - p + np.arange(horizon) % p] for rows, p in pairs])


def test_module_is_in_eval_mode_and_runs_on_its_example_inputs(model):
    assert not model.module.training
    outputs = model.module(*model.example_inputs)
    output, *states = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
    rows = (model.card.block,) if model.form == "windowed" else ()
    assert output.shape == (1, *rows, model.card.features)
    assert [tuple(s.shape) for s in states] == list(model.card.state_shapes)


def test_contexts_have_the_promised_shape_type_and_scale(model):
    shape = (zoo.CONTEXTS_PER_PART, model.card.context_length, model.card.features)
    for contexts in (model.planning_contexts, model.judging_contexts):
        assert contexts.shape == shape
        assert contexts.dtype == np.float32
        assert 0.3 < contexts.std() < 2
    assert np.array_equal(model.contexts[: shape[0]], model.planning_contexts)
    assert model.planning_truth.shape == (shape[0], model.horizon, shape[2])
    for exog in (model.planning_exog, model.judging_exog):
        calls = shape[1] + model.horizon - 1
        assert (exog is None) == (model.card.exog == 0)
        assert exog is None or exog.shape == (shape[0], calls, model.card.exog)


def test_no_context_is_in_both_halves(model):
    def windows_of(contexts):
        return {rows.tobytes() for rows in contexts}

    assert not windows_of(model.planning_contexts) & windows_of(model.judging_contexts)


def test_rollout_stays_finite_bounded_and_alive_over_ten_horizons(model):
    # Nothing holds the energy of the pendulum without friction: it goes over the top in the end.
    steps = 1000 if model.name == "pendulum-ode" else max(1000, 10 * model.horizon)
    frames = free_rollout(model, model.contexts, steps, all_exog(model))
    assert np.isfinite(frames).all()
    assert np.abs(frames).max() < 2 * max(3.0, np.abs(model.contexts).max())
    assert frames[:, -100:].std(axis=1).min() > 0.1


def test_rollout_error_is_below_what_the_card_says(model):
    frames = free_rollout(model, model.judging_contexts, model.horizon, model.judging_exog)
    assert nrmse(frames, model.judging_truth) < model.card.nrmse


def test_lorenz_rollout_follows_the_attractor_while_it_is_predictable():
    model = zoo.load("lorenz-gru")
    frames = free_rollout(model, model.judging_contexts, 40)
    assert nrmse(frames, model.judging_truth[:, :40]) < 0.1


def test_pulse_forecast_beats_repeating_the_last_beat_for_two_beats_and_for_the_horizon():
    model = zoo.load("ppg-gru")
    frames = free_rollout(model, model.judging_contexts, model.horizon)
    naive = repeated_last_beat(model.judging_contexts, model.horizon)
    for steps in (25, model.horizon):
        truth = model.judging_truth[:, :steps]
        assert nrmse(frames[:, :steps], truth) < 0.9 * nrmse(naive[:, :steps], truth)


def test_sea_forecast_beats_repeating_the_last_year():
    model = zoo.load("sst-ssm")
    frames = free_rollout(model, model.judging_contexts, model.horizon)
    last_year = np.tile(model.judging_contexts[:, -12:], (1, model.horizon // 12, 1))
    truth = model.judging_truth
    assert nrmse(frames, truth) < 0.9 * nrmse(last_year, truth)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("co2-")])
def test_co2_forecast_beats_repeating_the_last_year(name):
    model = zoo.load(name)
    frames = free_rollout(model, model.judging_contexts, model.horizon, model.judging_exog)
    last_year = np.tile(model.judging_contexts[:, -52:], (1, model.horizon // 52, 1))
    truth = model.judging_truth
    assert nrmse(frames, truth) < 0.9 * nrmse(last_year, truth)


def test_neural_ode_is_the_classic_runge_kutta_step_of_its_network():
    module = zoo.load("pendulum-ode").module

    @torch.no_grad()
    def derivative(v: np.ndarray) -> np.ndarray:
        return module.derivative(torch.from_numpy(v.astype(np.float32))).numpy()

    start = np.array([[0.5, -1.0], [1.5, 0.2]], np.float32)
    want = integrate(derivative, start, dt=PENDULUM_STEP, rows=1, skip=0)[0]
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(start)).numpy(), want, atol=1e-6)


def test_unknown_network_is_refused():
    with pytest.raises(InputError, match="no network 'transformer'"):
        zoo.build(replace(zoo.MODELS["ppg-gru"], network="transformer"))


def test_free_running_poles_of_the_sea_model_lie_on_the_unit_circle():
    module = zoo.load("sst-ssm").module
    closed = module.transition.weight + module.drive.weight @ module.readout.weight
    radii = np.sort(np.abs(np.linalg.eigvals(closed.detach().double().numpy())))
    np.testing.assert_allclose(radii[2:], 1, atol=1e-5)
    assert (radii[:2] < 0.99).all()


def test_recorded_hashes_are_those_of_the_weights_files():
    files = {f.name: f.read_bytes() for f in zoo.WEIGHTS_DIR.glob("*.safetensors")}
    assert set(files) == {f"{name}.safetensors" for name in NAMES}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert zoo.recorded_hashes() == hashes


def test_changed_weights_file_is_refused(tmp_path, monkeypatch):
    for file in zoo.WEIGHTS_DIR.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    damaged = tmp_path / "gru-4x32.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x01")
    monkeypatch.setattr(zoo, "WEIGHTS_DIR", tmp_path)
    with pytest.raises(InputError, match="gru-4x32"):
        zoo.load("gru-4x32")


def test_study_models_are_in_the_zoo():
    assert set(zoo.STUDY_MODELS) < set(NAMES)


def test_cards_state_small_models_and_every_network_is_used():
    from tqs_edge.zoo.network_kinds import NETWORKS

    assert {card.network for card in zoo.MODELS.values()} == set(NETWORKS)
    assert all(zoo.weights_path(name).stat().st_size < 60_000 for name in NAMES)


def test_unknown_name_lists_the_models():
    with pytest.raises(InputError, match="ppg-gru"):
        zoo.load("no-such-model")


def test_shipped_files_are_small():
    weights = sum(f.stat().st_size for f in zoo.WEIGHTS_DIR.iterdir())
    data = sum(f.stat().st_size for f in (PACKAGE_DIR / "data").iterdir())
    assert weights < 1_000_000
    assert data < 200_000


def test_sources_names_every_data_file():
    sources = (PACKAGE_DIR / "data" / "SOURCES.md").read_text(encoding="utf-8")
    for file in (PACKAGE_DIR / "data").iterdir():
        assert file.name == "SOURCES.md" or f"| {file.name} |" in sources


def test_importing_the_zoo_does_not_import_torch():
    code = "import sys, tqs_edge.zoo; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
