"""Reading of ELF files: sections, symbols, segments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tqs_edge.errors import InputError


@dataclass(frozen=True)
class Symbol:
    """A named address; functions carry no Thumb bit. `size` in bytes, 0 for linker symbols."""

    name: str
    address: int
    size: int
    is_function: bool


@dataclass(frozen=True)
class Section:
    """An allocated section; `content` is empty for sections without bytes in the file."""

    name: str
    address: int
    size: int
    content: bytes


@dataclass(frozen=True)
class Segment:
    """Bytes to be loaded at a physical address (flash, for the initial values of .data)."""

    address: int
    content: bytes


@dataclass(frozen=True)
class ElfImage:
    """What is needed of a linked firmware; symbols and sections are sorted by address.

    code: the kind of instructions: "thumb", "arm", "aarch64" or "riscv"
    """

    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    segments: tuple[Segment, ...]
    code: str = "thumb"

    def section_bytes(self, name: str) -> int:
        """Bytes of the section called `name`, 0 when there is none."""
        return sum(section.size for section in self.sections if section.name == name)

    def address_of(self, name: str) -> int:
        """The address of the symbol `name`; raises InputError when it is not defined."""
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol.address
        raise InputError(f"the firmware does not define '{name}'; build it with tqs_edge")

    def bytes_at(self, address: int, count: int) -> bytes:
        """`count` loaded bytes from `address` on; raises InputError where the file has none."""
        for segment in self.segments:
            begin = address - segment.address
            if 0 <= begin <= len(segment.content) - count:
                return segment.content[begin : begin + count]
        raise InputError(f"the firmware has no {count} bytes at {address:#x}")

    def function_at(self, address: int) -> str:
        """The name of the function that holds `address`, "?" outside of all functions."""
        for symbol in self.symbols:
            if symbol.is_function and 0 <= address - symbol.address < symbol.size:
                return symbol.name
        return "?"


def read_elf(path: Path) -> ElfImage:
    """The sections, symbols and loadable segments of an ELF file.

    Raises InputError for a file that is not a complete ELF file.
    """
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            return ElfImage(_sections(elf), _symbols(elf), _segments(elf), _code(elf))
    except (ELFError, OSError, ValueError) as error:
        raise InputError(f"{path.name} is not a readable ELF file: {error}") from None


def _code(elf: ELFFile) -> str:
    """The kind of instructions at the entry, whose address has bit 0 set where it is Thumb code."""
    machine = elf["e_machine"]
    if machine == "EM_ARM":
        return "thumb" if elf["e_entry"] & 1 else "arm"
    return {"EM_AARCH64": "aarch64", "EM_RISCV": "riscv"}.get(machine, str(machine))


def _sections(elf: ELFFile) -> tuple[Section, ...]:
    allocated = 2  # SHF_ALLOC
    sections = [
        Section(
            section.name,
            section["sh_addr"],
            section["sh_size"],
            b"" if section["sh_type"] == "SHT_NOBITS" else section.data(),
        )
        for section in elf.iter_sections()
        if section["sh_flags"] & allocated
    ]
    return tuple(sorted(sections, key=lambda section: (section.address, section.name)))


def _symbols(elf: ELFFile) -> tuple[Symbol, ...]:
    table = elf.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return ()
    symbols = []
    for entry in table.iter_symbols():
        kind = entry["st_info"]["type"]
        if entry.name and kind in ("STT_NOTYPE", "STT_OBJECT", "STT_FUNC"):
            is_function = kind == "STT_FUNC"
            address = entry["st_value"] & ~1 if is_function else entry["st_value"]
            symbols.append(Symbol(entry.name, address, entry["st_size"], is_function))
    return tuple(sorted(symbols, key=lambda symbol: (symbol.address, symbol.name)))


def _segments(elf: ELFFile) -> tuple[Segment, ...]:
    return tuple(
        Segment(segment["p_paddr"], segment.data())
        for segment in elf.iter_segments()
        if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
    )
