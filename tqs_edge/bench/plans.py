"""Ways to choose widths, held against each other at equal average bits on unseen contexts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from tqs_edge.bench import baselines
from tqs_edge.bench.case import ACT_BITS, STATE_BITS, Case, plan_from_damage
from tqs_edge.errors import InputError
from tqs_edge.integer.build import build_program
from tqs_edge.pipeline.fitting import fit_plans, responses_of
from tqs_edge.pipeline.judging import judge
from tqs_edge.pipeline.planning import plan_widths
from tqs_edge.pipeline.reporting import average_weight_bits
from tqs_edge.plan.bit_plan import BitPlan
from tqs_edge.plan.budget import Budget
from tqs_edge.plan.planner import PlanResult
from tqs_edge.plan.problem import Decided
from tqs_edge.plan.rounding import FloatResponses, Rounding
from tqs_edge.plan.search import Method

AVERAGE_BITS = (3.0, 4.0, 5.0, 6.0, 8.0)
Progress = Callable[[int, int], None]


class Role(StrEnum):
    """What a method stands for in the comparison."""

    BASELINE = "baseline"  # what others do
    OURS = "ours"
    CEILING = "ceiling"  # measured damages: what the score approximates


@dataclass(frozen=True)
class StudyMethod:
    """One way to choose widths; `planner` is called once per case, its result once per budget."""

    role: Role
    planner: Callable[[Case], baselines.Planner]
    description: str


def _predicted(case: Case) -> baselines.Planner:
    return lambda average: plan_from_damage(case, case.predicted, average, "tqs-knapsack")


def _product(method: Method) -> Callable[[Case], baselines.Planner]:
    """The product's own planning with `method`."""

    return lambda case: lambda average: _planned(case, average, method).plan


@lru_cache(maxsize=8)
def _planned(case: Case, average: float, method: Method) -> PlanResult:
    """The plan of one method at one budget; what fits its integers asks again."""
    return plan_widths(
        case.prepared,
        case.scores,
        case.board,
        Budget(avg_bits=average),
        method=method,
        decided=Decided(act_bits=ACT_BITS, state_bits=STATE_BITS),
    )


def _fitted_product(case: Case) -> baselines.Planner:
    """What `compile` does: the planner's candidates with fitted integers, the best of them."""

    def plan(average: float) -> BitPlan:
        result = _planned(case, average, Method.TQS)
        return _fitted(case, [result.plan, *result.alternatives])

    return plan


def _fitted_uniform(case: Case) -> baselines.Planner:
    """Several budgets have the same uniform plan, which is fitted once."""
    widths = baselines.uniform(case)
    fitted = lru_cache(maxsize=None)(lambda bits: _fitted(case, [widths(bits)]))
    return lambda average: fitted(baselines.widest_uniform(average))


def _fitted(case: Case, plans: Sequence[BitPlan]) -> BitPlan:
    found = fit_plans(
        case.prepared, plans, Rounding.FITTED, seed=case.seed, responses=_responses(case)
    )
    return found[0].plan


@lru_cache(maxsize=1)
def _responses(case: Case) -> FloatResponses:
    """Of the float model: the same for all budgets and methods of a case."""
    return responses_of(case.prepared, seed=case.seed)


METHODS: Mapping[str, StudyMethod] = MappingProxyType(
    {
        "uniform": StudyMethod(
            Role.BASELINE, baselines.uniform, "one width for all, the widest that fits"
        ),
        "first-last": StudyMethod(
            Role.BASELINE, baselines.first_last, "first and last layer wider, the rest uniform"
        ),
        "weight-mse": StudyMethod(
            Role.BASELINE, baselines.weight_mse, "squared error of the weights, knapsack"
        ),
        "one-step": StudyMethod(
            Role.BASELINE, baselines.one_step, "noise to signal of one step's output, knapsack"
        ),
        "hessian": StudyMethod(
            Role.BASELINE, baselines.hessian, "Hessian trace of the one-step loss, knapsack"
        ),
        "random": StudyMethod(
            Role.BASELINE, baselines.random_widths, "random sites widened until nothing fits"
        ),
        "tqs-knapsack": StudyMethod(
            Role.OURS, _predicted, "TQS's predicted damages, knapsack, no refinement"
        ),
        "tqs-nearest": StudyMethod(
            Role.OURS, _product(Method.TQS), "TQS, knapsack and refinement; nearest integers"
        ),
        "uniform-fitted": StudyMethod(
            Role.OURS, _fitted_uniform, "one width for all, integers fitted to the rollout"
        ),
        "tqs": StudyMethod(
            Role.OURS, _fitted_product, "what `compile` does: TQS plans with fitted integers"
        ),
        "exact": StudyMethod(
            Role.CEILING, _product(Method.EXACT), "measured damages, knapsack, refinement"
        ),
    }
)


def check_methods(names: Sequence[str]) -> tuple[str, ...]:
    """The names in the study's order, all for none. Raises InputError for an unknown one."""
    for name in names:
        if name not in METHODS:
            raise InputError(f"the study has no method '{name}'; use {', '.join(METHODS)}")
    return tuple(name for name in METHODS if not names or name in names)


@dataclass(frozen=True)
class Judgement:
    """One plan on the judging contexts.

    avg_bits: allowed; budget_bytes: the same for all weights together; used_bits: taken up
    nrmse, valid_horizon: of the integer program's rollouts against the float ones
    """

    model: str
    method: str
    avg_bits: float
    budget_bytes: float
    used_bits: float
    seed: int
    nrmse: float
    valid_horizon: float


def judge_plans(
    case: Case,
    *,
    averages: Sequence[float] = AVERAGE_BITS,
    methods: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[Judgement, ...]:
    """A record of every method (all for none) at each average number of weight bits.

    Activations and states have 16 bits in all plans, so weights alone differ. Raises
    BudgetInfeasible for averages below the least width, InputError for an unknown method.
    """
    names = check_methods(methods)
    records: list[Judgement] = []
    for done, name in enumerate(names):
        planner = METHODS[name].planner(case)
        records += [_judge(case, name, average, planner(average)) for average in averages]
        if progress:
            progress(done + 1, len(names))
    return tuple(records)


def _judge(case: Case, method: str, average: float, plan: BitPlan) -> Judgement:
    prepared, model = case.prepared, case.prepared.model
    program = build_program(model.graph, plan, prepared.ranges)
    error = judge(program, model, prepared.judging, prepared.horizon).error
    return Judgement(
        model=model.source,
        method=method,
        avg_bits=float(average),
        budget_bytes=average * float(case.costs.elements.sum()) / 8.0,
        used_bits=average_weight_bits(plan, program),
        seed=case.seed,
        nrmse=error.nrmse,
        valid_horizon=error.valid_horizon,
    )
