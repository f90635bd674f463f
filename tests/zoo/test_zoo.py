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
def free_rollout(model: zoo.ZooModel, contexts: np.ndarray, horizon: int) -> np.ndarray:
    rows = torch.from_numpy(contexts)
    if model.form == "windowed":
        return free_window(model, rows, horizon)
    states = [torch.zeros(len(rows), *shape[1:]) for shape in model.card.state_shapes]

    def step(x: torch.Tensor) -> torch.Tensor:
        if not states:
            return model.module(x)
        output, *states[:] = model.module(x, *states)
        return output

    frames = [[step(rows[:, t]) for t in range(rows.shape[1])][-1]]
    while len(frames) < horizon:
        frames.append(step(frames[-1]))
    return torch.stack(frames, 1).numpy()


def free_window(model: zoo.ZooModel, rows: torch.Tensor, horizon: int) -> np.ndarray:
    length = rows.shape[1]
    while rows.shape[1] < length + horizon:
        rows = torch.cat([rows, model.module(rows[:, -length:])], 1)
    return rows[:, length:].numpy()


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
    rows = (1,) if model.form == "windowed" else ()
    assert output.shape == (1, *rows, model.card.features)
    assert [s.shape for s in states] == [i.shape for i in model.example_inputs[1:]]


def test_contexts_have_the_promised_shape_type_and_scale(model):
    shape = (zoo.CONTEXTS_PER_PART, model.card.context_length, model.card.features)
    for contexts in (model.planning_contexts, model.judging_contexts):
        assert contexts.shape == shape
        assert contexts.dtype == np.float32
        assert 0.3 < contexts.std() < 2
    assert np.array_equal(model.contexts[: shape[0]], model.planning_contexts)
    assert model.planning_truth.shape == (shape[0], model.horizon, shape[2])


def test_no_context_is_in_both_halves(model):
    def windows_of(contexts):
        return {rows.tobytes() for rows in contexts}

    assert not windows_of(model.planning_contexts) & windows_of(model.judging_contexts)


def test_rollout_stays_finite_bounded_and_alive_over_1000_steps(model):
    frames = free_rollout(model, model.contexts, 1000)
    assert np.isfinite(frames).all()
    assert np.abs(frames).max() < 2 * max(3.0, np.abs(model.contexts).max())
    assert frames[:, 900:].std(axis=1).min() > 0.1


@pytest.mark.parametrize(
    ("name", "steps", "limit"),
    [
        ("lorenz-gru", 40, 0.1),
        ("gru-4x32", 150, 0.05),
        ("mackey-mlp", 100, 0.05),
        ("pendulum-ode", 150, 0.05),
    ],
)
def test_rollout_follows_the_generated_system(name, steps, limit):
    model = zoo.load(name)
    frames = free_rollout(model, model.judging_contexts, steps)
    assert nrmse(frames, model.judging_truth[:, :steps]) < limit


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


def test_co2_forecast_beats_repeating_the_last_year():
    model = zoo.load("co2-lstm")
    frames = free_rollout(model, model.judging_contexts, model.horizon)
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
