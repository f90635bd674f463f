"""Dense layers of other libraries in the same firmware, counted the same way.

The bakenn wheel carries a pinned part of CMSIS-NN; its sources are read where it is installed and
built with the same compiler and flags. Figures of what no package offers are recorded, with their
source.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tqs_edge.bench.kernel_costs import BOARDS, HEADER, counts_of
from tqs_edge.bench.kernels import DEPTH, ROWS, count_kernels
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.errors import ToolMissing
from tqs_edge.firmware.board import load_board
from tqs_edge.firmware.build import build
from tqs_edge.firmware.toolchain import find_toolchain

WHEEL = "bakenn"
VENDOR = "backend/cmsis_nn/vendor"
FC_SOURCES = (
    "FullyConnectedFunctions/arm_fully_connected_s8.c",
    "NNSupportFunctions/arm_nn_vec_mat_mult_t_s8.c",
)
CORES = {"v6m": "cortex-m0plus", "v7m": "cortex-m3", "dsp": "cortex-m4", "mve": "cortex-m55"}
OURS = ("tqs_dense_a8w8", "tqs_dense_a8w4", "tqs_dense_a8w2", "tqs_dense_a16w8")
# Words are loaded by memcpy, which compilers make one instruction of, unlike of the wheel's own.
PEER_HEADER = """\
#pragma GCC system_header
#define BAKENN_CMSIS_NN_FREESTANDING 1
#define bakenn_cmsis_memcpy __builtin_memcpy
#define bakenn_cmsis_memset __builtin_memset
"""
MEASURED, RECORDED = "measured here", "recorded: CMSIS-NN 99f736a6, GCC 12, QEMU"
CMIX_NN = "recorded: CMix-NN, conv3x3 32 to 32, GCC 12, QEMU"

SOURCE = """\
#include "model.h"

#include "peer.h"

enum {{ ROWS = {rows}, DEPTH = {depth} }};

const int32_t tqs_model_weights = 0;
static __attribute__((aligned(16))) int8_t x_data[DEPTH], w_data[ROWS * DEPTH], out[ROWS];
static int32_t bias[ROWS];

tqs_model_status tqs_model_init(tqs_model_t *model, tqs_model_arena *arena, const void *weights) {{
    uint32_t seed = 1;
    (void)arena;
    (void)weights;
    model->call = 0;
    for (int32_t i = 0; i < ROWS * DEPTH; i++) {{
        seed = seed * 1664525u + 1013904223u;
        w_data[i] = (int8_t)(int32_t)(seed >> 24);
        x_data[i % DEPTH] = (int8_t)(int32_t)(seed >> 16 & 127u);
    }}
    return TQS_MODEL_OK;
}}

void tqs_model_reset(tqs_model_t *model) {{
    model->call = 0;
}}

tqs_model_status tqs_model_step(tqs_model_t *model, const int16_t *x, const int16_t *exog,
                                int16_t *y) {{
    const cmsis_nn_context context = {{NULL, 0}};
    const cmsis_nn_fc_params params = {{0, 0, 0, {{-128, 127}}}};
    const cmsis_nn_per_tensor_quant_params quant = {{1 << 30, -8}};
    const cmsis_nn_dims in = {{1, 1, 1, DEPTH}}, filter = {{DEPTH, 1, 1, ROWS}};
    const cmsis_nn_dims bias_dims = {{1, 1, 1, ROWS}}, out_dims = {{1, 1, 1, ROWS}};
    (void)model;
    (void)x;
    (void)exog;
    (void)arm_fully_connected_s8(&context, &params, &quant, &in, x_data, &filter, w_data,
                                 &bias_dims, bias, &out_dims, out);
    y[0] = out[0];
    return TQS_MODEL_OK;
}}
"""


@dataclass(frozen=True)
class PeerCount:
    """Instructions per multiply-accumulate of another library's layer on a class of cores."""

    layer: str
    isa: str
    per_mac: float
    source: str


def _recorded(layer: str, source: str = RECORDED, **per_mac: float) -> tuple[PeerCount, ...]:
    return tuple(PeerCount(layer, isa, value, source) for isa, value in per_mac.items())


RECORDS = (
    *_recorded("CMSIS-NN fc_s8 128x64", v6m=6.82, v7m=3.68, dsp=2.28, mve=0.58),
    *_recorded("CMSIS-NN fc_s4 128x64", v6m=8.44, v7m=5.36, dsp=5.27, mve=0.59),
    *_recorded("CMSIS-NN fc_s16x8 128x64", v6m=55.85, v7m=5.42, dsp=2.82, mve=1.18),
    *_recorded("CMix-NN w4", CMIX_NN, dsp=2.12),
    *_recorded("CMix-NN w2", CMIX_NN, dsp=2.20),
)


def count_peers(isas: Sequence[str] = tuple(BOARDS)) -> tuple[PeerCount, ...]:
    """Our dense layers and the installed peer's, measured with GCC, and all recorded figures.

    The peer is built with our flags (-O2), the recorded figures with those of their libraries.
    Raises ToolMissing when the wheel, the compiler or a simulator is not installed.
    """
    bundle, toolchain = peer_bundle(), find_toolchain("gcc")
    cores = {CORES[isa]: isa for isa in isas}
    ours = count_kernels(kernels=OURS, cores=tuple(cores), with_compilers=("gcc",))
    measured = [
        PeerCount(
            f"{count.kernel} {count.rows}x{count.depth}",
            cores[count.core],
            count.instructions / count.macs,
            MEASURED,
        )
        for count in ours
    ]
    for isa in isas:
        with tempfile.TemporaryDirectory(prefix="tqs-peers-") as name:
            firmware = build(bundle, load_board(BOARDS[isa]), toolchain, Path(name))
            _, (count, *_) = counts_of(firmware, 1)
        layer = f"{WHEEL}: CMSIS-NN fc_s8 {ROWS}x{DEPTH}"
        measured.append(PeerCount(layer, isa, count / (ROWS * DEPTH), MEASURED))
    return (*measured, *RECORDS)


def peer_bundle() -> SourceBundle:
    """A firmware's sources around the peer's dense layer. Raises ToolMissing without the wheel."""
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissing(f"{WHEEL} is not installed; run: pip install 'tqs-edge[peers]'")
    vendor = Path(spec.submodule_search_locations[0]) / VENDOR
    headers = [*vendor.glob("cmsis_nn/Include/*.h"), *vendor.glob("cmsis_core/Include/*.h")]
    sources = [vendor / "cmsis_nn/Source" / name for name in FC_SOURCES]
    missing = [path.name for path in sources if not path.is_file()]
    if missing:
        raise ToolMissing(f"this {WHEEL} has no {', '.join(missing)}; install {WHEEL} 1.0")
    # Our warnings are not theirs: as system headers their files are compiled without.
    texts = {path.name: _quiet(path) for path in sorted(headers)}
    texts |= {f"{path.stem}_source.h": _quiet(path) for path in sources}
    peer = "".join(f'#include "{path.stem}_source.h"\n' for path in sources)
    files = {
        **texts,
        "peer.h": PEER_HEADER + peer,
        "model.h": HEADER,
        "model.c": SOURCE.format(rows=ROWS, depth=DEPTH),
    }
    return SourceBundle(files, (), 0, 0, 0, "", "", "", "")


def _quiet(path: Path) -> str:
    return "#pragma GCC system_header\n" + path.read_text(encoding="utf-8")
