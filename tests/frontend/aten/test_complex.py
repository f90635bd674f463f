"""Complex numbers and Fourier transforms become real operations on their two parts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.frontend.aten.rewritten import check
from tests.frontend.test_obstacles import Expression, obstacles_of
from tqs_edge.errors import InputError
from tqs_edge.frontend import load_model

X = torch.randn(1, 12, 4, generator=torch.Generator().manual_seed(0))
TURN = torch.polar(torch.ones(12, 2), 0.3 * torch.arange(24.0).reshape(12, 2))
MATRIX = torch.randn(4, 3, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
POLES = 0.9 * torch.exp(1j * torch.arange(4.0))
fft = torch.fft


def pairs(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_complex(x.reshape(1, 12, 2, 2))


TRANSFORMS = {
    "low frequencies": lambda x: fft.irfft(fft.rfft(x, dim=1)[:, :4], n=12, dim=1),
    "orthonormal, longer": lambda x: fft.irfft(fft.rfft(x, dim=1, norm="ortho"), n=14, dim=1),
    "odd length": lambda x: fft.irfft(fft.rfft(x[:, :11], dim=1), n=11, dim=1),
    "complex": lambda x: fft.ifft(fft.fft(x, dim=1) * POLES, dim=1).real,
    "over two axes": lambda x: fft.fft(fft.fft(x, dim=-1), dim=-2).real,
    "of two axes": lambda x: fft.irfft2(fft.rfft2(x), s=(12, 4)),
    "autocorrelation": lambda x: fft.irfft(fft.rfft(x, dim=1).abs().square(), n=12, dim=1),
    "convolution": lambda x: fft.irfft(fft.rfft(x, 24, 1) * fft.rfft(x.tanh(), 24, 1), 24, 1),
    "filled spectrum": lambda x: fft.irfft(
        torch.cat([fft.rfft(x, dim=1)[:, :2], torch.zeros(1, 5, 4, dtype=torch.complex64)], 1),
        n=12,
        dim=1,
    ),
}
ARITHMETIC = {
    "rotary": lambda x: torch.view_as_real(pairs(x) * TURN).flatten(2),
    "matrix": lambda x: (x.to(torch.complex64) @ MATRIX).imag,
    "matrix of pairs": lambda x: (pairs(x) @ MATRIX[:2]).real,
    "two tensors": lambda x: torch.view_as_real(pairs(x).mT @ pairs(x)),
    "quotient": lambda x: (pairs(x) / (pairs(x) * 0.2 + 3)).real,
    "conjugate": lambda x: (pairs(x) * pairs(x.flip(1)).conj()).imag,
    "sum with a number": lambda x: torch.view_as_real(2j + pairs(x) - 1.5),
    "exponential": lambda x: torch.exp(pairs(x)).real,
    "modulus": lambda x: pairs(x).abs(),
    "sum of a product": lambda x: torch.addcmul(pairs(x), pairs(x) + 1, TURN, value=2).imag,
    "cube": lambda x: (pairs(x) ** 3).real,
    "mean": lambda x: torch.view_as_real(pairs(x).mean(1)),
    "from parts": lambda x: (torch.complex(x, x.tanh()) * POLES).real,
    "einsum": lambda x: torch.einsum("blf,fo->bol", x.to(torch.complex64), MATRIX).real,
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_fourier_transform_is_a_dense_layer(name: str) -> None:
    assert check(TRANSFORMS[name], X)["dense"] >= 2


@pytest.mark.parametrize("name", ARITHMETIC)
def test_complex_arithmetic_is_real_arithmetic(name: str) -> None:
    check(ARITHMETIC[name], X)


def test_a_real_transform_and_back_are_three_dense_layers() -> None:
    assert check(TRANSFORMS["low frequencies"], X)["dense"] == 3


def test_functions_of_complex_numbers_without_parts_stay_obstacles() -> None:
    def angles(x: torch.Tensor) -> torch.Tensor:
        return torch.angle(pairs(x))

    assert [o.op for o in obstacles_of(Expression(angles), X)] == ["angle"]


def test_what_reads_such_a_function_is_not_listed_as_well() -> None:
    def curved(x: torch.Tensor) -> torch.Tensor:
        return (pairs(x).tanh() @ MATRIX[:2]).real

    assert [o.op for o in obstacles_of(Expression(curved), X)] == ["tanh"]


def test_a_complex_state_is_named() -> None:
    class Step(nn.Module):
        def forward(self, x, state):
            state = state * 0.9 + x
            return state.real, state

    inputs = (torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.complex64))
    with pytest.raises(InputError, match=r"'state' is torch.complex64.*real and imaginary part"):
        load_model(Step(), example_inputs=inputs)
