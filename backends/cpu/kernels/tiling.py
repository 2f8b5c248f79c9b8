"""How much of a map a kernel holds in registers at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .body import Expr, Vectors

_TAIL = 1.5  # a pixel in a cut tile costs a branch besides its waste


@dataclass(frozen=True)
class Tile:
    """Accumulators held in registers: ``pixels`` neighbors of a row by ``channels`` lanes."""

    pixels: int
    channels: int


def choose_tile(width: int, channels: int, bytes_each: int, vectors: Vectors) -> Tile:
    """Return the tile with the least work for each multiply-accumulate.

    One step over the reduction loads a row of weights and broadcasts one activation for each
    pixel, then multiplies all pairs; so a tile as square as the registers allow wins, as long as it
    divides the map.  Besides the accumulators the registers hold the weights and two pixels.

    Args:
        width: pixels of an output row.
        channels: output channels, of a group.
        bytes_each: of an accumulator.
        vectors: of the processor.
    """
    best, best_cost = Tile(1, 1), float("inf")
    for lanes in range(1, min(channels, 64) + 1):
        if lanes < channels and lanes % 4:
            continue
        registers = -(-lanes * bytes_each // vectors.size)
        for pixels in range(1, min(width, 16) + 1):
            if registers * (pixels + 1) + 4 > vectors.count and (pixels, lanes) != (1, 1):
                break
            steps = -(-width // pixels) * -(-channels // lanes)
            waste = _TAIL if width % pixels or channels % lanes else 1.0
            cost = steps * waste * (registers * pixels + 2 * registers + 1.5 * pixels)
            if cost < best_cost:
                best, best_cost = Tile(pixels, lanes), cost
    return best


def lanes_for(channels: int, bytes_each: int, vectors: Vectors, registers: int = 4) -> int:
    """Return the channels worked on at once where each is on its own: some registers, or all."""
    most = max(registers * vectors.size // bytes_each, 1)
    if channels <= most:
        return channels
    return max((n for n in range(1, most + 1) if channels % n == 0 and n * 4 >= most), default=most)


@dataclass(frozen=True)
class Grid:
    """A map cut into blocks whose elements are the rows of a matrix product.

    Attributes:
        strips: rows of blocks, one after the other.
        blocks: blocks of a strip.
        high, wide: elements of a block.
    """

    strips: int
    blocks: int
    high: int
    wide: int

    @property
    def size(self) -> int:
        """Elements, the surplus beyond the map included."""
        return self.strips * self.blocks * self.high * self.wide

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of elements, the surplus beyond the map included."""
        return self.strips * self.high, self.blocks * self.wide

    def place(self, row: Expr, column: Expr) -> tuple[Expr, Expr, Expr]:
        """Return strip, block, and number within the block, of an element of the map."""
        within = row % self.high * self.wide + column % self.wide
        return row // self.high, column // self.wide, within

    def element(self, strip: Expr, block: Expr, number: Expr) -> tuple[Expr, Expr]:
        """Return row and column of an element of a block."""
        return strip * self.high + number // self.wide, block * self.wide + number % self.wide


def grids(height: int, width: int, size: int) -> Iterator[Grid]:
    """Yield all ways to cut a map into blocks of so many elements."""
    for high in range(1, min(height, size) + 1):
        if size % high == 0 and (wide := size // high) <= width:
            yield Grid(-(-height // high), -(-width // wide), high, wide)
