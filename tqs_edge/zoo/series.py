"""The series that the zoo's models are trained and judged on: measured or generated, standardised.

A `Series` is cut into parts that never overlap: training, planning (where a bit plan is searched)
and judging (where it is measured).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA_DIR = Path(__file__).parent / "data"
Derivative = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Series:
    """Standardised float32 parts of one series, each a list of unbroken stretches (rows, F + E);
    the E columns that are known in advance come last."""

    training: list[np.ndarray]
    planning: list[np.ndarray]
    judging: list[np.ndarray]


# Unbroken stretches of the recording without motion artefacts, as [first, end) rows at 20 Hz.
PPG_TRAINING = (
    (2660, 3080),
    (3450, 4250),
    (4950, 6240),
    (6700, 7150),
    (7830, 8160),
    (10770, 11520),
    (12600, 13540),
)
PPG_PLANNING = ((7150, 7740),)
PPG_JUDGING = ((8210, 8880),)

CO2_WITHOUT_GAPS = 333  # row from which no more than four weeks in a row are missing
PENDULUM_STEP = 0.25  # time units per row, of a pendulum whose small swings take 2 pi


def ppg() -> Series:
    """A finger pulse wave (photoplethysmogram), 20 Hz, F = 1; see data/SOURCES.md."""
    counts = np.loadtxt(DATA_DIR / "ppg_20hz.csv", skiprows=1, dtype=np.float64)[:, None]
    ranges = (PPG_TRAINING, PPG_PLANNING, PPG_JUDGING)
    return _standardise(*([counts[a:b] for a, b in part] for part in ranges))


def sea_temperature() -> Series:
    """Monthly surface temperature of the Pacific off Peru, 1950 to 2010, F = 1; data/SOURCES.md."""
    celsius = np.loadtxt(DATA_DIR / "sst_monthly.csv", skiprows=1, dtype=np.float64)[:, None]
    return _standardise([celsius[:308]], [celsius[308:520]], [celsius[520:]])


def lorenz() -> Series:
    """The Lorenz attractor (sigma 10, rho 28, beta 8/3), one row each 0.02 time units, F = 3."""

    def derivative(v: np.ndarray) -> np.ndarray:
        x, y, z = v
        return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    return _split(integrate(derivative, np.ones(3), dt=0.02, rows=12000, skip=500))


def oscillators() -> Series:
    """Two coupled van der Pol oscillators (x1, v1, x2, v2), one row each 0.15 time units, F = 4.

    Their natural frequencies are apart (1 and 1.4) and the coupling is weak, so the motion has two
    beating rhythms instead of one short cycle that a model could learn by heart.
    """

    def derivative(v: np.ndarray) -> np.ndarray:
        x1, v1, x2, v2 = v
        return np.array(
            [
                v1,
                0.6 * (1 - x1 * x1) * v1 - x1 + 0.12 * (x2 - x1),
                v2,
                0.6 * (1 - x2 * x2) * v2 - 1.96 * x2 + 0.12 * (x1 - x2),
            ]
        )

    return _split(integrate(derivative, np.array([1.0, 0, -0.5, 0]), dt=0.15, rows=12000, skip=500))


def pendulum() -> Series:
    """A pendulum without friction: angle and angular velocity, F = 2, from many heights.

    Every stretch is released at rest at another angle, 0.6 to 2.2 rad, where a swing takes 6.4 to
    11 time units; no stretch is in two parts.
    """

    def derivative(v: np.ndarray) -> np.ndarray:
        return np.array([v[1], -np.sin(v[0])])

    # Multiples of the golden ratio: any few neighbours are spread over the whole range.
    angles = 0.6 + 1.6 * (np.arange(36) * (np.sqrt(5) - 1) / 2 % 1)
    start, finer = np.stack([angles, np.zeros_like(angles)]), 5
    states = integrate(derivative, start, dt=PENDULUM_STEP / finer, rows=400 * finer, skip=0)
    stretches = list(states[::finer].transpose(2, 0, 1))
    return _standardise(stretches[:24], stretches[24:30], stretches[30:])


def driven_pendulum() -> Series:
    """A pendulum with friction under a torque: angle, angular velocity and torque (exogenous), the
    torque of a row acting until the next.

    x'' = u - sin x - 0.3 x', u a sum of three sines that never repeats, of at most 0.9.
    """
    rows, finer, skip = 6000, 5, 200
    time = PENDULUM_STEP * np.arange(rows)
    torque = sum(a * np.sin(w * time) for a, w in ((0.4, 0.61), (0.3, 1.117), (0.2, 0.2903)))
    state, states = np.zeros(2), []
    for push in np.asarray(torque):
        states.append([*state, push])

        def derivative(v: np.ndarray, push: float = push) -> np.ndarray:
            return np.array([v[1], push - np.sin(v[0]) - 0.3 * v[1]])

        dt = PENDULUM_STEP / finer
        state = integrate(derivative, state, dt=dt, rows=finer, skip=0)[-1]
    return _split(np.array(states[skip:]))


def mackey_glass() -> Series:
    """The Mackey-Glass delay equation, one row each 2 time units, F = 1; chaotic.

    x'(t) = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x(t), after 500 time units to settle.
    """
    per_row, rows, skip = 20, 4000, 250
    return _split(integrate_mackey_glass((skip + rows) * per_row)[skip * per_row :: per_row, None])


def integrate_mackey_glass(steps: int) -> np.ndarray:
    """x(0), x(0.1), x(0.2), ... float64 (steps,) of the Mackey-Glass equation with x = 1.2 until 0.

    By the classic Runge-Kutta rule; the feedback half-way between two steps is their mean.
    """
    delay, dt = 170, 0.1

    def feedback(x: float) -> float:
        square = x * x  # products round alike on every machine, powers need not
        fourth = square * square
        return 0.2 * x / (1 + fourth * fourth * square)

    values = [1.2] * (delay + 1)
    later = feedback(values[0])
    for step in range(1, steps):
        now, later = later, feedback(values[step])
        middle, x = (now + later) / 2, values[-1]
        a = now - 0.1 * x
        b = middle - 0.1 * (x + dt / 2 * a)
        c = middle - 0.1 * (x + dt / 2 * b)
        d = later - 0.1 * (x + dt * c)
        values.append(x + dt / 6 * (a + 2 * b + 2 * c + d))
    return np.array(values[delay:])


def carbon_dioxide() -> Series:
    """The year in weekly CO2 at Mauna Loa, 1964 to 2001, F = 1; see data/SOURCES.md.

    Each row is the mean of a week less the mean of the 52 weeks that end with it, which leaves the
    season and takes the rise away without looking ahead.
    """
    ppm = np.loadtxt(DATA_DIR / "co2_weekly.csv", skiprows=1, dtype=np.float64)[CO2_WITHOUT_GAPS:]
    known = np.isfinite(ppm)
    ppm = np.interp(np.arange(len(ppm)), np.flatnonzero(known), ppm[known])
    parts = (ppm[:1270], ppm[1270:1610], ppm[1610:])
    return _standardise(*([less_past_mean(part, 52)[:, None]] for part in parts))


def carbon_dioxide_with_calendar() -> Series:
    """As `carbon_dioxide`, with cosine and sine of the time of year of the row to be forecast, so
    that both are known in advance: F = 1, E = 2."""
    plain = carbon_dioxide()
    first, parts = CO2_WITHOUT_GAPS + 52 - 1, []
    for part, start in ((plain.training, 0), (plain.planning, 1270), (plain.judging, 1610)):
        weeks = first + start + 1 + np.arange(len(part[0]))
        turn = 2 * np.pi * weeks * 7 / 365.25
        parts.append([np.column_stack([part[0][:, 0], np.cos(turn), np.sin(turn)])])
    return _standardise(*parts)


def less_past_mean(values: np.ndarray, count: int) -> np.ndarray:
    """values (n,) from number `count` on, each less the mean of the `count` that end with it."""
    means = np.convolve(values, np.full(count, 1 / count), mode="valid")
    return values[count - 1 :] - means


def integrate(
    derivative: Derivative, start: np.ndarray, *, dt: float, rows: int, skip: int
) -> np.ndarray:
    """States float64 (rows - skip, *start.shape) by the classic Runge-Kutta rule of order four."""
    state, states = start.astype(np.float64), []
    for _ in range(rows):
        a = derivative(state)
        b = derivative(state + dt / 2 * a)
        c = derivative(state + dt / 2 * b)
        d = derivative(state + dt * c)
        state = state + dt / 6 * (a + 2 * b + 2 * c + d)
        states.append(state)
    return np.array(states[skip:])


def windows(stretches: list[np.ndarray], rows: int, count: int) -> np.ndarray:
    """`count` evenly spaced windows, float32 (count, rows, F), none across the end of a stretch.

    Every other one comes first, so that the first half is spread over the stretches like all.
    """
    starts = [(s, i) for s, part in enumerate(stretches) for i in range(len(part) - rows + 1)]
    spread = np.linspace(0, len(starts) - 1, count).astype(int)
    picks = np.concatenate([spread[0::2], spread[1::2]])
    return np.stack([stretches[starts[p][0]][starts[p][1] :][:rows] for p in picks])


def _split(states: np.ndarray) -> Series:
    """Training, planning and judging parts of 70, 15 and 15 percent, in order of time."""
    a, b = int(0.7 * len(states)), int(0.85 * len(states))
    return _standardise([states[:a]], [states[a:b]], [states[b:]])


def _standardise(
    training: list[np.ndarray], planning: list[np.ndarray], judging: list[np.ndarray]
) -> Series:
    """All parts in units of the training part's mean and standard deviation, per feature."""
    rows = np.concatenate(training)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)

    def scaled(stretches: list[np.ndarray]) -> list[np.ndarray]:
        return [((part - mean) / deviation).astype(np.float32) for part in stretches]

    return Series(scaled(training), scaled(planning), scaled(judging))


SERIES: dict[str, Callable[[], Series]] = {
    "ppg": ppg,
    "lorenz": lorenz,
    "oscillators": oscillators,
    "sst": sea_temperature,
    "mackey-glass": mackey_glass,
    "pendulum": pendulum,
    "co2": carbon_dioxide,
    "co2-calendar": carbon_dioxide_with_calendar,
    "driven-pendulum": driven_pendulum,
}
