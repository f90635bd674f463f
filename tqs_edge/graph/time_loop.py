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


def calls_of(sizes: RolloutSizes, context_rows: int, horizon: int) -> int:
    """Number of steps that a rollout of `horizon` frames executes."""
    if sizes.form is RolloutForm.WINDOWED:
        return -(-horizon // sizes.block)
    return context_rows + horizon - 1


def run_free(
    sizes: RolloutSizes,
    call: StepCall[State],
    state: State,
    contexts: torch.Tensor,
    horizon: int,
    exog: torch.Tensor | None = None,
) -> torch.Tensor:
    """Frames (*batch, horizon, F) of free-running rollouts from contexts (*batch, rows, F).

    Recurrent and map models take the context rows one per call, and the last of those outputs is
    frame 0; a windowed model takes the last `length` rows at once. exog has one row per call,
    (*batch, calls, E). `call` gets (number, x (*batch, rows of x, F), exog row (*batch, E), state)
    and returns the output, in any shape of (*batch, block * F) numbers, and the next state.
    """
    import torch

    if sizes.exog and exog is None:
        raise ValueError("the model has exogenous inputs; pass exog")
    batch, rows = contexts.shape[:-2], contexts.shape[-2]
    windowed = sizes.form is RolloutForm.WINDOWED
    window = contexts[..., -sizes.length :, :] if windowed else contexts[..., :1, :]
    frames: list[torch.Tensor] = []
    for number in range(calls_of(sizes, rows, horizon)):
        known = exog[..., number, :] if sizes.exog and exog is not None else None
        output, state = call(number, window, known, state)
        output = output.reshape(*batch, sizes.block, sizes.features)
        feeds_context = not windowed and number < rows - 1
        if not feeds_context:
            frames.append(output)
        row = contexts[..., number + 1 : number + 2, :] if feeds_context else output
        window = torch.cat([window, row], dim=-2)[..., -window.shape[-2] :, :]
    return torch.cat(frames, dim=-2)[..., :horizon, :]
