"""Host builds of targets/link: the codec as a library, the server as a program with sanitizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cffi import FFI

from tests.firmware.toy_models import toy_bundle
from tqs_edge.codegen.source_bundle import SourceBundle
from tqs_edge.firmware.command import run_compiler
from tqs_edge.firmware.sources import copy_targets, write_sources
from tqs_edge.firmware.toolchain import WARNINGS, find_host_compiler, host_flags
from tqs_edge.resources import resource_dir
from tqs_edge.run.host_build import SANITIZERS

FLAGS = ("-std=c99", "-O1", *WARNINGS, "-I.")
SERVER_FILES = (
    *("link/serve.c", "link/frame.c", "link/crc32.c", "host/console.c"),
    *("link/console.h", "link/frame.h", "link/crc32.h", "link/messages.h"),
    *("common/platform.h", "common/semihost.h"),
)
CODEC = """
typedef struct {
    uint8_t *buffer; int32_t capacity, bytes, left; bool zero_due, begun, broken;
} tqs_frame_receiver;
void tqs_frame_begin(tqs_frame_receiver *receiver, uint8_t *buffer, int32_t capacity);
int32_t tqs_frame_take(tqs_frame_receiver *receiver, uint8_t byte);
uint32_t tqs_crc32(uint32_t crc, const uint8_t *data, int32_t bytes);
typedef struct { uint8_t *bytes; int32_t count; } sent;
void send_to_memory(uint8_t *packet, int32_t bytes, sent *to);
"""
COLLECT = """
#include "frame.h"
typedef struct { uint8_t *bytes; int32_t count; } sent;
void send_to_memory(uint8_t *packet, int32_t bytes, sent *to);
static void put(void *sink, uint8_t byte) {
    sent *to = sink;
    to->bytes[to->count++] = byte;
}
void send_to_memory(uint8_t *packet, int32_t bytes, sent *to) {
    tqs_frame_send(packet, bytes, put, to);
}
"""


def build_codec(folder: Path) -> tuple[FFI, Any]:
    """(ffi, library) of link/frame.c and link/crc32.c."""
    compiler = find_host_compiler()
    (folder / "collect.c").write_text(COLLECT)
    link = resource_dir("targets") / "link"
    sources = [str(link / "frame.c"), str(link / "crc32.c"), "collect.c"]
    flags = (*FLAGS, *host_flags(compiler), f"-I{link}", "-shared", "-fPIC")
    run_compiler((*compiler.command, *flags, *sources, "-o", "codec.so"), cwd=folder)
    ffi = FFI()
    ffi.cdef(CODEC)
    return ffi, ffi.dlopen(str(folder / "codec.so"))


def build_server(folder: Path, bundle: SourceBundle | None = None) -> Path:
    """A program that serves a model over standard input and output, every finding fatal."""
    compiler = find_host_compiler()
    folder.mkdir(exist_ok=True)
    sources = write_sources(bundle or toy_bundle(exog=2), "portable", folder)
    sources += copy_targets(SERVER_FILES, folder)
    flags = (*FLAGS, *host_flags(compiler), *SANITIZERS)
    run_compiler((*compiler.command, *flags, *sources, "-o", "server"), cwd=folder)
    return folder / "server"
