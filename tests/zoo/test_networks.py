"""What defines each family of networks, beyond its shapes."""

import pytest
import torch

from tqs_edge import zoo


@pytest.fixture(autouse=True)
def no_gradients():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def reach(name: str) -> int:
    """How many rows back from the window's end a change still alters the output."""
    card = zoo.MODELS[name]
    module = zoo.build(card).eval()
    window = torch.randn(card.input_shape)
    before = module(window)
    for row in range(card.context_length):
        changed = window.clone()
        changed[:, row] += 100.0
        if not torch.equal(module(changed), before):
            return card.context_length - row
    return 0


def test_receptive_field_of_the_tcn_is_63_rows():
    assert reach("co2-tcn") == 63


def test_receptive_field_of_the_wavenet_is_31_rows():
    assert reach("mackey-wavenet") == 31


def test_separable_convolution_has_one_filter_per_channel():
    depthwise = zoo.build(zoo.MODELS["oscillators-dsconv"]).blocks[0]
    assert depthwise.weight.shape == (16, 1, 5) and depthwise.groups == 16


def test_dlinear_sees_no_season_in_a_constant():
    module = zoo.build(zoo.MODELS["co2-dlinear"])
    module.season.weight.fill_(1e6)
    constant = torch.full((1, 52, 1), 3.0)
    want = 3 * module.trend.weight.sum(1) + module.trend.bias + module.season.bias
    torch.testing.assert_close(module(constant)[0, :, 0], want, atol=1.0, rtol=0)


def test_decomposition_sees_no_season_in_a_constant():
    module = zoo.build(zoo.MODELS["oscillators-decomposition"])
    constant = torch.tensor([1.0, -2.0, 3.0, 0.5]).repeat(1, 32, 1)
    want = module(constant)
    module.season.weight.fill_(1e3)
    torch.testing.assert_close(module(constant), want, atol=1e-2, rtol=0)


@pytest.mark.parametrize("name", ["oscillators-nlinear", "co2-rlinear", "mackey-patchtst"])
def test_shifted_window_gives_a_shifted_forecast(name):
    module, shape = zoo.load(name).module, zoo.MODELS[name].input_shape
    window = torch.randn(shape)
    torch.testing.assert_close(module(window + 5), module(window) + 5, atol=1e-4, rtol=0)


def test_rlinear_scales_with_its_window():
    module = zoo.load("co2-rlinear").module
    module.linear.bias.zero_()
    window = torch.randn(1, 104, 1)
    torch.testing.assert_close(module(3 * window), 3 * module(window), atol=1e-3, rtol=1e-3)


def test_nbeats_blocks_hand_on_what_they_leave():
    module = zoo.load("mackey-nbeats").module
    window = torch.randn(1, 24, 1)
    flat = window[:, :, 0]
    backcast, first = module.blocks[0](flat)
    _, second = module.blocks[1](flat - backcast)
    torch.testing.assert_close(module(window)[:, :, 0], flat[:, -1:] + first + second)


def test_attention_of_the_patch_transformer_ignores_the_order_but_for_the_positions():
    layer = zoo.load("mackey-patchtst").module.layers[0]
    tokens = torch.randn(1, 7, 16)
    torch.testing.assert_close(layer(tokens.flip(1)), layer(tokens).flip(1))


def test_mingru_is_linear_in_its_first_state():
    module = zoo.load("oscillators-mingru").module
    x, h = torch.randn(1, 4), torch.zeros(1, 24)

    def first(state):
        return module(x, state, h)[1]

    a, b = torch.randn(2, 1, 24)
    torch.testing.assert_close(first((a + b) / 2), (first(a) + first(b)) / 2)


def test_echo_state_reservoir_is_sparse_and_never_trained():
    module = zoo.load("mackey-esn").module
    radius = torch.linalg.eigvals(module.reservoir.double()).abs().max().item()
    assert radius == pytest.approx(module.RADIUS, abs=1e-5)
    assert (module.reservoir == 0).float().mean() > 0.85
    assert torch.equal(module.reservoir, zoo.build(zoo.MODELS["mackey-esn"]).reservoir)


def test_lru_states_turn_and_shrink_when_nothing_drives_them():
    module = zoo.load("oscillators-lru").module
    magnitude = torch.exp(-torch.exp(module.nu))
    re, im = torch.randn(2, 1, 24)
    _, later_re, later_im = module(torch.zeros(1, 4), re, im)
    torch.testing.assert_close(torch.hypot(later_re, later_im), magnitude * torch.hypot(re, im))
    assert magnitude.max() < 1


@pytest.mark.parametrize(
    ("name", "layers"),
    [("mackey-gru2", "gru"), ("mackey-rnn", "rnn"), ("oscillators-lstm-proj", "lstm")],
)
def test_one_row_at_a_time_gives_what_the_whole_sequence_gives(name, layers):
    card, module = zoo.MODELS[name], zoo.load(name).module
    rows = torch.randn(1, 12, card.features)
    sequence, _ = getattr(module, layers)(rows)
    states = [torch.zeros(shape) for shape in card.state_shapes]
    for t in range(12):
        y, *states = module(rows[:, t], *states)
    torch.testing.assert_close(y, rows[:, -1] + module.head(sequence[:, -1]))


def test_liquid_state_lies_between_its_two_targets():
    module = zoo.load("oscillators-cfc").module
    x, h = torch.randn(1, 4), torch.randn(1, 24)
    backbone = torch.tanh(module.backbone(torch.cat([x, h], 1)))
    near, far = torch.tanh(module.near(backbone)), torch.tanh(module.far(backbone))
    _, later = module(x, h)
    assert (later >= torch.minimum(near, far) - 1e-6).all()
    assert (later <= torch.maximum(near, far) + 1e-6).all()


def test_tide_keeps_the_last_rows_as_its_state():
    card, module = zoo.MODELS["co2-tide"], zoo.load("co2-tide").module
    history = torch.zeros(1, card.context_length)
    for t in range(60):
        _, history = module(torch.full((1, 1), float(t)), torch.zeros(1, 2), history)
    assert history[0].tolist() == [float(t) for t in range(8, 60)]


def test_euler_map_adds_the_rate_to_the_row():
    module = zoo.load("driven-euler").module
    x, push = torch.randn(1, 2), torch.randn(1, 1)
    torch.testing.assert_close(module(x, push), x + module.rate(torch.cat([x, push], 1)))
