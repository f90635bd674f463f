"""The weights image: header, CRC-32 and all constants of a model as one block of memory.

The same bytes are a const struct of the firmware and a file that replaces it in the field. All
values are little endian. The header is eight 32-bit words:

    magic "TQSW", format, bytes of the whole image, program[4], crc32 of everything else

`program` identifies the code that reads the constants. The CRC is that of zlib and Ethernet. Format
1 suits all cores but Armv6-M where there are 8-bit weights: those are offset binary in format 2.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Collection, Mapping

import numpy as np

from tqs_edge.codegen.constants import initializer, member

MAGIC, FORMAT, FORMAT_V6M = 0x57535154, 1, 2
OFFSET = 0x80808080  # TQS_W8_OFFSET of tqs_kernels.h
HEADER = "<7I"  # all of it but the CRC
HEADER_BYTES, ALIGNMENT = 32, 8
FILLING = "filling"

TYPES = """\
/* The weights image of this program, as model_weights.c has it and as a file replaces it. */
#ifndef TQS_MODEL_WEIGHTS_H
#define TQS_MODEL_WEIGHTS_H

#include "model.h"
{include}
#define TQS_MODEL_IMAGE_MAGIC UINT32_C({magic:#010x}) /* "TQSW" */
{format}
#define TQS_MODEL_IMAGE_PROGRAM {{{program}}}
#define TQS_MODEL_READY UINT32_C(0x5afe7951) /* of an instance whose weights were accepted */

typedef struct {{
    uint32_t magic;
    uint32_t format;
    uint32_t bytes; /* of the image, header included */
    uint32_t program[4];
    uint32_t crc32; /* of the image without this word */
}} tqs_model_image_header;

/* Largest elements first: there are no gaps. */
struct tqs_model_weights_data {{
{members}}};

struct tqs_model_image {{
    tqs_model_image_header header;
    struct tqs_model_weights_data data;
}};

typedef char tqs_model_image_has_no_gaps
    [sizeof(struct tqs_model_image) == TQS_MODEL_WEIGHTS_BYTES ? 1 : -1];

#endif
"""

BOTH_FORMATS = """\
#if TQS_W8_OFFSET
#define TQS_MODEL_IMAGE_FORMAT UINT32_C({v6m})
#else
#define TQS_MODEL_IMAGE_FORMAT UINT32_C({usual})
#endif"""
BOTH_SUMS = """
#if TQS_W8_OFFSET
#define TQS_MODEL_CRC {v6m}
#else
#define TQS_MODEL_CRC {usual}
#endif
"""

VALUES = """\
#include "model_weights.h"
{sums}
/* A linker script can place this section; those that do not know it take it for .rodata. */
#ifdef __ELF__
#define TQS_MODEL_SECTION __attribute__((aligned(8), section(".rodata.tqs_weights")))
#else
#define TQS_MODEL_SECTION __attribute__((aligned(8)))
#endif

const struct tqs_model_image tqs_model_weights TQS_MODEL_SECTION = {{
    {{
        TQS_MODEL_IMAGE_MAGIC,
        TQS_MODEL_IMAGE_FORMAT,
        TQS_MODEL_WEIGHTS_BYTES,
        TQS_MODEL_IMAGE_PROGRAM,
        {crc},
    }},
    {{
{values}    }},
}};
"""


def image_arrays(constants: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The constants in the order of the image, filled up to a multiple of 8 bytes."""
    arrays = dict(sorted(constants.items(), key=lambda item: -item[1].itemsize))
    used = sum(array.nbytes for array in arrays.values())
    missing = -used % ALIGNMENT or (0 if used else ALIGNMENT)
    return arrays | ({FILLING: np.zeros(missing, np.uint8)} if missing else {})


def image_bytes(constants: Mapping[str, np.ndarray]) -> int:
    """Bytes of the image, header included."""
    return HEADER_BYTES + sum(array.nbytes for array in image_arrays(constants).values())


def weights_image(
    constants: Mapping[str, np.ndarray], program: str, offset: Collection[str] = ()
) -> bytes:
    """The image as a file; `program` is what `program_id` gives.

    offset: the arrays of 8-bit weights, for Armv6-M
    """
    data = b"".join(
        np.ascontiguousarray(
            array ^ np.uint32(OFFSET) if name in offset else array, array.dtype.newbyteorder("<")
        ).tobytes()
        for name, array in image_arrays(constants).items()
    )
    form = FORMAT_V6M if offset else FORMAT
    head = struct.pack(HEADER, MAGIC, form, HEADER_BYTES + len(data), *_words(program))
    return head + struct.pack("<I", zlib.crc32(data, zlib.crc32(head))) + data


def program_id(*sources: str) -> str:
    """32 hexadecimal digits that change with the code that reads the constants."""
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:32]


def weights_header(
    constants: Mapping[str, np.ndarray], program: str, byte_weights: Collection[str]
) -> str:
    """model_weights.h; byte_weights: the arrays of 8-bit weights."""
    usual = f"#define TQS_MODEL_IMAGE_FORMAT UINT32_C({FORMAT})"
    return TYPES.format(
        include='#include "tqs_kernels.h"\n' if byte_weights else "",
        magic=MAGIC,
        format=BOTH_FORMATS.format(v6m=FORMAT_V6M, usual=FORMAT) if byte_weights else usual,
        program=", ".join(f"0x{word:08x}u" for word in _words(program)),
        members="".join(member(name, a) for name, a in image_arrays(constants).items()),
    )


def weights_source(
    constants: Mapping[str, np.ndarray], program: str, byte_weights: Collection[str]
) -> str:
    """model_weights.c; byte_weights: the arrays of 8-bit weights."""
    usual = _crc(weights_image(constants, program))
    values = "".join(
        initializer(name, array, "TQS_W8" if name in byte_weights else "")
        for name, array in image_arrays(constants).items()
    )
    if not byte_weights:
        return VALUES.format(sums="", crc=usual, values=values)
    sums = BOTH_SUMS.format(v6m=_crc(weights_image(constants, program, byte_weights)), usual=usual)
    return VALUES.format(sums=sums, crc="TQS_MODEL_CRC", values=values)


def _crc(image: bytes) -> str:
    """The literal of an image's CRC."""
    return f"0x{int.from_bytes(image[HEADER_BYTES - 4 : HEADER_BYTES], 'little'):08x}u"


def _words(program: str) -> tuple[int, ...]:
    return struct.unpack("<4I", bytes.fromhex(program))
