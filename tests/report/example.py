"""A whole report, made by arithmetic, with every key that report.json can hold."""

import math
from typing import Any

GATES = ("cell.weight_ih", "cell.weight_hh")
WIDTHS = (4, 8, 2, 4, 4, 8, 16, 4, 2, 4, 8, 4)


def example_report(*, horizon: int = 120, features: int = 2, contexts: int = 3) -> dict[str, Any]:
    blocks = [f"{g}[{i * 8}:{i * 8 + 8}]" for g in GATES for i in range(12)]
    plan: dict[str, dict[str, Any]] = {
        site: {
            "kind": "weight",
            "weight_bits": WIDTHS[i % 12],
            "rows": [i % 12 * 8, i % 12 * 8 + 8],
        }
        for i, site in enumerate(blocks)
    }
    plan["head.weight[0:2]"] = {"kind": "weight", "weight_bits": 8, "rows": [0, 2]}
    plan["act:x"] = {"kind": "activation", "act_bits": 16}
    plan["act:h"] = {"kind": "activation", "act_bits": 8}
    plan["state:h"] = {"kind": "state", "act_bits": 16}
    tqs = {
        site: {
            "rate": 0.01 * math.sin(i),
            "gain": 10 ** (1.5 * math.sin(1.7 * i) - 1),
            "predicted": 10 ** (1.5 * math.sin(1.7 * i) - 4),
            "measured": 10 ** (1.4 * math.sin(1.7 * i + 0.2) - 4.1),
        }
        for i, site in enumerate(plan)
    }

    def wave(shift: float) -> list[list[list[float]]]:
        return [
            [
                [
                    math.sin(t / 5 + c + f) + 0.4 * math.sin(t / 2.5 + c) + shift * t
                    for f in range(features)
                ]
                for t in range(horizon)
            ]
            for c in range(contexts)
        ]

    return {
        "board": "mps2-an386",
        "core": "cortex-m4",
        "model": "ppg-gru",
        "horizon": horizon,
        "contexts": 32,
        "plan": plan,
        "flash_bytes": 14_212,
        "ram_bytes": 2_840,
        "stack_bytes": 512,
        "arena_bytes": 640,
        "code_bytes": 6_000,
        "weight_bytes": 3_456,
        "flash_limit": 32_768,
        "ram_limit": 8_192,
        "instructions_per_step": 9_876.5,
        "compilers": ["gcc 12.2.1", "zig 0.17.1"],
        "bit_exact": {"reference = host": True, "host = qemu": True, "gcc = zig": True},
        "rollout": {
            "nrmse": 0.0123,
            "nrmse_per_step": [0.001 * math.exp(t / 40) for t in range(horizon)],
            "valid_horizon": horizon - 11,
            "float_mae": 0.31,
            "integer_mae": 0.312,
            "float_frames": wave(0),
            "integer_frames": wave(0.001),
            "truth": wave(-0.003),
        },
        "tqs": tqs,
        "spearman": 0.96,
        "saturation": {"act:x": 0, "state:h": 0, "cell.add": 3},
        "comparison": [
            {"avg_bits": 3.0, "tqs": 0.31, "exact": 0.28, "uniform": 2.1},
            {"avg_bits": 4.0, "tqs": 0.06, "exact": 0.07, "uniform": 0.23},
        ],
    }
