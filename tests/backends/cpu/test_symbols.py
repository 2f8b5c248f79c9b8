"""Functions of a library found in an executable, for objects and archives written here."""

from __future__ import annotations

import numpy as np
import pytest

from n2uqc.backends.cpu.profile.symbols import CompiledFunction, locate
from n2uqc.frontend.diagnostics import CompileError

from .profile_elf import FUNCTION, OBJECT, OTHER, TEXT, archive, object_file

CODE = np.random.default_rng(0).integers(0, 256, 400, np.uint8).tobytes()
SYMBOLS = [
    ("second", FUNCTION, TEXT, 0x40, 0x100),
    ("first", FUNCTION, TEXT, 0, 0x40),
    ("table", OBJECT, TEXT, 0x150, 0x20),
    ("elsewhere", FUNCTION, OTHER, 4, 8),
    ("undefined", FUNCTION, 0, 0, 8),
    ("undefined too", FUNCTION, 0, 0, 8),
    ("undefined as well", FUNCTION, 0, 0, 8),
    ("absolute", FUNCTION, 0xFFF1, 0, 8),
    ("absolute too", FUNCTION, 0xFFF1, 0, 8),
    ("absolute as well", FUNCTION, 0xFFF1, 0, 8),
]
BASE, BEFORE = 0x10000, 88


def segments(code: bytes) -> list[tuple[int, bytes, int]]:
    """Data, then code after what another object has there."""
    return [(0x8000, bytes(500), 800), (BASE, bytes(BEFORE) + code + bytes(40), 4096)]


def found(first: int = BASE + BEFORE) -> tuple[CompiledFunction, ...]:
    return (
        CompiledFunction("first", first, 0x40),
        CompiledFunction("second", first + 0x40, 0x100),
    )


@pytest.mark.parametrize("bits", [32, 64])
def test_functions_of_the_section_that_has_most_in_order(bits: int) -> None:
    """Neither data nor what lies in no section."""
    library = archive(("net.o/", object_file(bits, CODE, SYMBOLS)))
    assert locate(library, segments(CODE)) == found()
    assert locate(library, segments(CODE)[1:]) == found()


def test_the_lowest_bit_of_an_address_marks_thumb_code_on_arm_alone() -> None:
    symbols = [("f", FUNCTION, TEXT, 0x41, 0x20)]
    for bits, at in ((32, 0x40), (64, 0x41)):
        library = archive(("net.o/", object_file(bits, CODE, symbols)))
        assert locate(library, segments(CODE))[0].address == BASE + BEFORE + at


@pytest.mark.parametrize("bits", [32, 64])
def test_words_that_the_linker_changes_do_not_count(bits: int) -> None:
    """Relocations of any byte: of a word in its middle, too, which concerns two."""
    places = [0, 62, 100, 130, 200, 301, 341, 396]
    linked = bytearray(CODE)
    for place in places:
        for byte in range(place, min(place + 4, len(CODE))):
            linked[byte] ^= 0xFF
    library = archive(("net.o/", object_file(bits, CODE, SYMBOLS, places)))
    with pytest.raises(CompileError, match="does not hold the code"):
        locate(library, segments(bytes(linked)))  # a piece without such words shows the place
    linked[128:192] = CODE[128:192]
    assert locate(library, segments(bytes(linked))) == found()
    other = archive(("net.o/", object_file(bits, CODE, SYMBOLS)))
    with pytest.raises(CompileError, match="does not hold the code"):
        locate(other, segments(bytes(linked)))


def test_a_hundredth_of_the_words_may_differ() -> None:
    """Some linkers work around errata: one of 100 words, not two."""
    library = archive(("net.o/", object_file(64, CODE, SYMBOLS)))
    linked = bytearray(CODE)
    linked[80] ^= 1
    assert locate(library, segments(bytes(linked))) == found()
    linked[320] ^= 1
    with pytest.raises(CompileError, match="compile it again"):
        locate(library, segments(bytes(linked)))


def test_a_piece_that_is_there_twice_shows_nothing() -> None:
    """The next one does."""
    library = archive(("net.o/", object_file(64, CODE, SYMBOLS)))
    twice = [(BASE, CODE[:64] + bytes(24) + CODE + bytes(40), 4096)]
    assert locate(library, twice) == found()
    beside = [(0x4000, CODE[:70], 70), *segments(CODE)]
    assert locate(library, beside) == found()
    cut = [(0x4000, CODE[64:], 400), *segments(CODE)]  # its begin would lie before the segment
    assert locate(library, cut) == found()


def test_code_cut_off_is_no_match() -> None:
    library = archive(("net.o/", object_file(64, CODE, SYMBOLS)))
    assert locate(library, [(BASE, bytes(BEFORE) + CODE, 4096)]) == found()
    with pytest.raises(CompileError):
        locate(library, [(BASE, bytes(BEFORE) + CODE[:-1], 4096)])


@pytest.mark.parametrize("before", [10, 11])
@pytest.mark.parametrize("name", ["net.o/", "a long name as BSD writes it.o"])
def test_members_before_the_object_are_for_the_linker(before: int, name: str) -> None:
    """Members of odd length are followed by a byte."""
    object_ = object_file(64, CODE, SYMBOLS)
    library = archive(("/", b"i" * before), ("//", b"n" * before), (name, object_))
    assert locate(library, segments(CODE)) == found()


def test_the_first_object_counts() -> None:
    other = object_file(64, CODE[::-1], [("other", FUNCTION, TEXT, 0, 8)])
    library = archive(("a.o/", object_file(64, CODE, SYMBOLS)), ("b.o/", other))
    assert locate(library, segments(CODE)) == found()


@pytest.mark.parametrize("library", [b"", b"!<arch>\n", b"\x7fELF", archive(("/", b"index"))])
def test_no_library(library: bytes) -> None:
    with pytest.raises(CompileError, match="not a static library"):
        locate(library, segments(CODE))
