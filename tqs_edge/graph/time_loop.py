"""The only time loop over float steps: how an output becomes the next input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from tqs_edge.graph.rollout_model import RolloutForm

if TYPE_CHECKING:
    import torch

State = TypeVar("State")
StepCall = Callable[
    [int, "torch.Tensor", "torch.Tensor | None", State], tuple["torch.Tensor", State]
]


class RolloutSizes(Protocol):
    """Form and sizes of a step, as `RolloutModel` explains them."""

    @property
    def form(self) -> RolloutForm: ...

    @property
    def length(self) -> int: ...

    @property
    def features(self) -> int: ...

    @property
    def block(self) -> int: ...

    @property
    def exog(self) -> int: ...

    @property
    def context_length(self) -> int: ...

    @property
    def least_context(self) -> int: ...

    @property
    def exog_rows(self) -> int: ...

    @property
    def exog_lead(self) -> int: ...


def context_calls(sizes: RolloutSizes, context_rows: int) -> int:
    """Number of steps that the context feeds, the last of which yields the first frames."""
    if sizes.form is RolloutForm.WINDOWED:
        return 1
    return -(-context_rows // sizes.length)


def calls_of(sizes: RolloutSizes, context_rows: int, horizon: int) -> int:
    """Number of steps that a rollout of `horizon` frames executes."""
    return context_calls(sizes, context_rows) - 1 + -(-horizon // sizes.block)


def run_free(
    sizes: RolloutSizes,
    call: StepCall[State],
    state: State,
    contexts: torch.Tensor,
    horizon: int,
    exog: torch.Tensor | None = None,
) -> torch.Tensor:
    """Frames (*batch, horizon, F) of free-running rollouts from contexts (*batch, rows, F).

    Recurrent and map models take the context `length` rows per call, rows of zeros first where they
    do not fill the first call; the last of those outputs is the first block of frames. A windowed
    model takes the last `length` rows at once. exog has one row per call, (*batch, calls, E).
    `call` gets (number, x (*batch, length, F), exog row (*batch, E), state) and returns the output,
    in any shape of (*batch, block * F) numbers, and the next state.
    """
    import torch

    if sizes.exog and exog is None:
        raise ValueError("the model has exogenous inputs; pass exog")
    batch, rows, length = contexts.shape[:-2], contexts.shape[-2], sizes.length
    fed = context_calls(sizes, rows)
    missing = contexts.new_zeros(*batch, max(fed * length - rows, 0), sizes.features)
    context = torch.cat([missing, contexts], dim=-2)[..., -fed * length :, :]
    frames: list[torch.Tensor] = []
    for number in range(calls_of(sizes, rows, horizon)):
        if number < fed:
            window = context[..., number * length : (number + 1) * length, :]
        else:
            window = torch.cat([window, frames[-1]], dim=-2)[..., -length:, :]
        known = exog[..., number, :] if sizes.exog and exog is not None else None
        output, state = call(number, window, known, state)
        if number >= fed - 1:
            frames.append(output.reshape(*batch, sizes.block, sizes.features))
    return torch.cat(frames, dim=-2)[..., :horizon, :]
