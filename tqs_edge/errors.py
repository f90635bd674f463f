"""Every error a user can meet. One line that names the cause and the fix; the CLI prints it."""


class TqsError(Exception):
    """Base of all errors raised on purpose; `exit_status` is the CLI's exit status."""

    exit_status = 2


class InputError(TqsError):
    """Bad input or usage: a file, an option, a shape, a value."""


class UnsafeModelFile(InputError):
    """The model file could run code when loaded and was not opened."""


class UnsupportedOp(TqsError):
    """An operation that cannot be lowered to integers; names layer, op and what works instead."""

    def __init__(self, layer: str, op: str, alternative: str) -> None:
        super().__init__(f"layer '{layer}': operation '{op}' is not supported; {alternative}")
        self.layer, self.op, self.alternative = layer, op, alternative


class ImportMismatch(TqsError):
    """The imported step function does not compute what the original model computes."""


class NonFiniteRollout(TqsError):
    """A float rollout produced NaN or infinity, so nothing can be measured against it."""


class BudgetInfeasible(TqsError):
    """No plan fits; names the binding limit and the least budget that works."""


class OverflowUnproven(TqsError):
    """The compiler cannot prove that an accumulator never overflows."""


class ToolMissing(TqsError):
    """A compiler or simulator is not installed; the text names what to install."""

    exit_status = 3


class BuildError(TqsError):
    """A compiler or linker failed, or the firmware does not fit the board."""


class RunnerError(TqsError):
    """A runner failed: fault on the target, timeout, or short output."""

    exit_status = 1


class VerificationFailed(TqsError):
    """A link of the chain broke."""

    exit_status = 1
