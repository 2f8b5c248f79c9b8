"""Register tiles that fit, blocks that cover a map."""

from __future__ import annotations

import itertools

import pytest

from n2uqc.backends.cpu.kernels.body import Vectors
from n2uqc.backends.cpu.kernels.tiling import choose_tile, grids, lanes_for

VECTORS = {
    "aarch64": Vectors(16, 32, frozenset({"neon", "many-vectors"})),
    "armv7": Vectors(16, 16, frozenset({"neon"})),
    "avx2": Vectors(32, 16, frozenset({"avx2"})),
    "scalar": Vectors(4, 12),
}


@pytest.mark.parametrize("name", VECTORS)
def test_tiles_fit_the_registers(name: str) -> None:
    """Sums, a row of weights beside them, two pixels and what these become."""
    vectors = VECTORS[name]
    for width, channels, each in itertools.product((1, 7, 16), (1, 3, 8, 13, 64, 100), (2, 4, 8)):
        tile = choose_tile(width, channels, each, vectors)
        assert 1 <= tile.pixels <= width and 1 <= tile.channels <= channels
        assert tile.channels == channels or tile.channels % 4 == 0 or tile.channels == 1
        registers = -(-tile.channels * each // vectors.size)
        assert tile.pixels * tile.channels == 1 or registers * (tile.pixels + 1) + 4 <= (
            vectors.count
        )


def test_few_channels_are_one_tile() -> None:
    for channels in range(1, 8):
        assert choose_tile(8, channels, 4, VECTORS["aarch64"]).channels == channels


def test_tiles_divide_the_map_where_they_can() -> None:
    tile = choose_tile(12, 24, 4, VECTORS["aarch64"])
    assert 12 % tile.pixels == 24 % tile.channels == 0 and tile.pixels * tile.channels > 24


@pytest.mark.parametrize(
    ("name", "width", "channels", "each"),
    [
        ("aarch64", 16, 64, 4), ("aarch64", 14, 24, 2), ("aarch64", 7, 64, 8), ("armv7", 16, 32, 4),
        ("armv7", 5, 20, 2), ("avx2", 16, 64, 4), ("avx2", 12, 36, 8), ("scalar", 9, 10, 4),
        ("aarch64", 3, 100, 4), ("avx2", 11, 13, 2),
    ],
)  # fmt: skip
def test_the_tile_of_the_least_work(name: str, width: int, channels: int, each: int) -> None:
    """A step loads a row of weights, twice as dear as a product, broadcasts a code for each pixel,
    half as much again, and multiplies all pairs; a tile cut at the end costs half more.
    """
    vectors = VECTORS[name]

    def work(pixels: int, lanes: int) -> float:
        registers = -(-lanes * each // vectors.size)
        cut = 3 if width % pixels or channels % lanes else 2
        steps = -(-width // pixels) * -(-channels // lanes)
        return steps * cut * (2 * registers * pixels + 4 * registers + 3 * pixels)

    tile = choose_tile(width, channels, each, vectors)
    fits = [
        (pixels, lanes)
        for pixels in range(1, min(width, 16) + 1)
        for lanes in range(1, min(channels, 64) + 1)
        if (lanes == channels or lanes % 4 == 0)
        and -(-lanes * each // vectors.size) * (pixels + 1) + 4 <= vectors.count
    ]
    assert (tile.pixels, tile.channels) in fits
    assert work(tile.pixels, tile.channels) == min(work(*each) for each in fits)


def test_lanes_fill_registers_and_divide_the_channels() -> None:
    neon = VECTORS["aarch64"]
    assert [lanes_for(n, 4, neon) for n in (1, 15, 16, 24, 32, 40, 17, 34)] == [
        1, 15, 16, 12, 16, 10, 16, 16,
    ]  # fmt: skip
    assert lanes_for(64, 2, neon, 1) == 8 and lanes_for(5, 8, VECTORS["scalar"], 1) == 1


def test_blocks_cover_a_map() -> None:
    found = list(grids(5, 7, 12))
    assert [(g.high, g.wide) for g in found] == [(2, 6), (3, 4), (4, 3)]
    for grid in found:
        rows, columns = grid.extent
        assert 5 <= rows < 5 + grid.high and 7 <= columns < 7 + grid.wide
        assert grid.size == rows * columns == grid.strips * grid.blocks * 12
        places = {grid.place(y, z) for y in range(rows) for z in range(columns)}
        assert len(places) == grid.size
        for y, z in itertools.product(range(rows), range(columns)):
            assert grid.element(*grid.place(y, z)) == (y, z)
