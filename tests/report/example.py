"""A whole report, made by arithmetic, with every key that report.json can hold."""

from __future__ import annotations

import math
from typing import Any

GATES = ("cell.weight_ih", "cell.weight_hh")
WIDTHS = (4, 8, 2, 4, 4, 8, 16, 4, 2, 4, 8, 4)


def example_report(*, horizon: int = 120, features: int = 2, contexts: int = 3) -> dict[str, Any]:
    plan = _plan()
    return {
        "board": "mps2-an386",
        "core": "cortex-m4",
        "model": "ppg-gru",
        "horizon": horizon,
        "contexts": 32,
        "contexts_origin": "zoo series, judging part",
        "plan_method": "tqs",
        "average_weight_bits": 5.25,
        "plan": plan,
        "flash_bytes": 14_212,
        "ram_bytes": 2_840,
        "stack_bytes": 512,
        "stack_bound_bytes": 536,
        "arena_bytes": 640,
        "state_bytes": 128,
        "code_bytes": 6_000,
        "weight_bytes": 3_456,
        "flash_limit": 32_768,
        "ram_limit": 8_192,
        "instructions_per_step": 9_876.5,
        "compilers": ["gcc 12.2.1", "zig 0.17.1"],
        "bit_exact": {"reference = host": True, "host = qemu": True, "gcc = zig": True},
        "mismatches": {},
        "rollout": {
            "nrmse": 0.0123,
            "nrmse_per_step": [0.001 * math.exp(t / 40) for t in range(horizon)],
            "valid_horizon": horizon - 11,
            "float_mae": 0.31,
            "integer_mae": 0.312,
            "float_frames": _frames(0, horizon, features, contexts),
            "integer_frames": _frames(0.001, horizon, features, contexts),
            "truth": _frames(-0.003, horizon, features, contexts),
        },
        "tqs": {site: _score(i) for i, site in enumerate(plan)},
        "spearman": 0.96,
        "predictability": {
            "verdict": "chaotic",
            "words": "Chaotic: largest Lyapunov exponent +0.0181 ± 0.0010 per step.",
            "lyapunov_per_step": 0.0181,
            "limit_steps": 512.3,
        },
        "saturation": {"act:x": 0, "state:h": 0, "cell.add": 3},
        "comparison": [
            {"plan": "this one (tqs)", "average_bits": 4.0, "nrmse": 0.02},
            {"plan": "uniform a16w4", "average_bits": 4.0, "nrmse": 0.1},
        ],
    }


def _plan() -> dict[str, dict[str, Any]]:
    plan: dict[str, dict[str, Any]] = {}
    for gate in GATES:
        for i, bits in enumerate(WIDTHS):
            rows = [i * 8, i * 8 + 8]
            site = f"{gate}[{rows[0]}:{rows[1]}]"
            plan[site] = {"kind": "weight", "weight_bits": bits, "rows": rows}
    plan["head.weight[0:2]"] = {"kind": "weight", "weight_bits": 8, "rows": [0, 2]}
    plan["act:x"] = {"kind": "activation", "act_bits": 16}
    plan["act:h"] = {"kind": "activation", "act_bits": 8}
    plan["state:h"] = {"kind": "state", "act_bits": 16}
    return plan


def _score(index: int) -> dict[str, float | None]:
    spread = 1.5 * math.sin(1.7 * index)
    return {
        "rate": 0.01 * math.sin(index),
        "growth": 1.0 + 0.02 * math.sin(index),
        "needs": (4, 16, 8, None)[index % 4],
        "gain": 10 ** (spread - 1),
        "predicted": 10 ** (spread - 4),
        "measured": 10 ** (1.4 * math.sin(1.7 * index + 0.2) - 4.1),
    }


def _frames(drift: float, horizon: int, features: int, contexts: int) -> list[list[list[float]]]:
    def value(context: int, step: int, feature: int) -> float:
        slow = math.sin(step / 5 + context + feature)
        return slow + 0.4 * math.sin(step / 2.5 + context) + drift * step

    return [
        [[value(c, t, f) for f in range(features)] for t in range(horizon)] for c in range(contexts)
    ]
