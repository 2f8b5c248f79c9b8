"""The engines of a program and the streams between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import lcm, prod

from n2uqc.passes.program import Program
from n2uqc.passes.program.types import Shape

from .engines import Converter, Engine, Fork, Repeater, Sink, Source
from .folding import Folding, engines_of


@dataclass(frozen=True)
class Edge:
    """A FIFO between two engines.

    Attributes:
        tensor: name of the tensor in the stream.
        source, target: indices of the engines.
        lanes: elements of a token.
        bits: bits of an element.
        tokens: tokens per image.
    """

    tensor: str
    source: int
    target: int
    lanes: int
    bits: int
    tokens: int


@dataclass
class Pipeline:
    """The engines of a program in stream order, with the edges between them.

    Attributes:
        program: the program.
        folding: the parallelism of the engines.
        engines: sources first, the outputs' sinks last, both in the order of the program.
        sinks: indices of the outputs' sinks, in the order of the program's outputs.
        edges: ordered by source; edges with the same target are in the order of its inputs.
    """

    program: Program
    folding: Folding
    engines: list[Engine] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    sinks: list[int] = field(default_factory=list)

    def label(self, edge: Edge) -> str:
        """Return a readable name of an edge: producer -> consumer."""
        return f"{self.engines[edge.source].name} -> {self.engines[edge.target].name}"


def build_pipeline(
    program: Program, folding: Folding, engines: Mapping[str, Engine] | None = None
) -> Pipeline:
    """Build the pipeline of a program.

    Every operation becomes an engine, except where no value moves, as in a flattening. A tensor
    with several readers gets a fork. Where producer and consumer differ in lanes, width converters
    go between them, through the least common multiple. An operand that is spread over a map passes
    repeaters.

    Args:
        program: a lowered program.
        folding: the parallelism of its engines.
        engines: its engines by tensor, if they are at hand: their facts are kept.

    Raises:
        CompileError: the folding does not fit the program.
    """
    folding.check(program)
    made = {e.name: e for e in engines_of(program)} if engines is None else engines
    folded = [engine.folded(folding.engines[name]) for name, engine in made.items()]
    return _Builder(program, folding).build(folded)


def repetitions(small: Shape, large: Shape) -> Iterator[tuple[int, Shape]]:
    """Yield what repeats a tensor over a larger shape: axes side by side at once, the last first.

    Yields:
        Elements of each run that is repeated, and the shape after it.
    """
    axis = 2
    while axis >= 0:
        inner = axis + 1
        while axis >= 0 and (small[axis] != large[axis] or (large[axis] == 1 and axis < inner - 1)):
            axis -= 1
        if axis < inner - 1:
            h, w, c = (*small[: axis + 1], *large[axis + 1 :])
            yield prod(large[inner:]), (h, w, c)
        axis -= 1


class _Builder:
    def __init__(self, program: Program, folding: Folding) -> None:
        self.result = Pipeline(program, folding)
        self.program, self.folding = program, folding
        # stream of each tensor: that of its source for a flattened tensor
        self.stream = {name: name for name in program.types}
        for op in program.ops:
            if op.in_place(program.types, program.constants):
                self.stream[op.output] = self.stream[op.inputs[0]]
        # engines that provide a stream, one for each reader
        self.taps: dict[str, Iterator[int]] = {}

    def build(self, engines: Sequence[Engine]) -> Pipeline:
        readers: dict[str, int] = dict.fromkeys(self.stream.values(), 0)
        first: dict[str, int] = {}
        for engine in engines:
            assert engine.op is not None
            for name in engine.op.inputs:
                readers[self.stream[name]] += 1
                first.setdefault(self.stream[name], self._lanes(engine, name))
        self.readers = readers
        for name in self.program.outputs:
            readers[self.stream[name]] += 1
        for source in self.program.inputs:
            tensor_type = self.program.int_type(source)
            lanes = first.get(source, tensor_type.shape[2])
            self._produced(
                source, self._add(Source(tensor=source, lanes=lanes, output=tensor_type))
            )
        for engine in engines:
            assert engine.op is not None
            feeds = [self._feed(name, engine) for name in engine.op.inputs]
            index = self._add(engine)
            for name, feed in zip(engine.op.inputs, feeds, strict=True):
                self._connect(name, feed, index)
            self._produced(self.stream[engine.name], index)
        for name in self.program.outputs:
            self.result.sinks.append(self._sink(name, self._tap(name, None)))
        return self.result

    def _sink(self, tensor: str, source: int) -> int:
        """End a stream: an output of the program, or a tensor that nothing reads."""
        lanes = self.result.engines[source].out_lanes
        sink = self._add(Sink(tensor=tensor, lanes=lanes, output=self.program.int_type(tensor)))
        self._connect(tensor, source, sink)
        return sink

    def _add(self, engine: Engine) -> int:
        self.result.engines.append(engine)
        return len(self.result.engines) - 1

    def _connect(self, tensor: str, source: int, target: int) -> None:
        giver = self.result.engines[source]
        repeated = isinstance(giver, Repeater)
        tensor_type = giver.output if repeated else self.program.int_type(tensor)
        lanes = giver.out_lanes
        self.result.edges.append(
            Edge(
                self.stream[tensor],
                source,
                target,
                lanes,
                tensor_type.bits,
                tensor_type.size // lanes,
            )
        )

    def _produced(self, stream: str, index: int) -> None:
        """Record the engine that produces a stream, with a fork if there are several readers."""
        count = self.readers[stream]
        if count == 0:
            self._sink(stream, index)
        if count > 1:
            lanes = self.result.engines[index].out_lanes
            fork = self._add(Fork(tensor=stream, lanes=lanes, output=self.program.int_type(stream)))
            self._connect(stream, index, fork)
            index = fork
        self.taps[stream] = iter([index] * count)

    def _lanes(self, engine: Engine, tensor: str) -> int:
        """Return the lanes in which an engine's operand arrives, before it is repeated."""
        return min(engine.in_lanes, self.program.int_type(tensor).shape[2])

    def _feed(self, tensor: str, engine: Engine) -> int:
        """Return the engine that gives an engine's operand, as often as it takes it."""
        index = self._tap(tensor, self._lanes(engine, tensor))
        tensor_type, shape = self.program.int_type(tensor), engine.output.shape
        if engine.op is None or not engine.op.elementwise or tensor_type.size == engine.output.size:
            return index
        for inner, after in repetitions(tensor_type.shape, shape):
            taken, given = self.result.engines[index].out_lanes, engine.in_lanes
            before, tensor_type = tensor_type.size // taken, replace(tensor_type, shape=after)
            repeater = Repeater(
                tensor=f"{self.stream[tensor]}:{'x'.join(map(str, after))}",
                lanes=taken,
                given=given,
                length=inner // taken,
                times=tensor_type.size // given // before,
                output=tensor_type,
            )
            self._connect(tensor, index, step := self._add(repeater))
            index = step
        return index

    def _tap(self, tensor: str, lanes: int | None) -> int:
        """Return the engine that a reader takes its tokens from,
        with the number of lanes it needs.
        """
        index = next(self.taps[self.stream[tensor]])
        if lanes is None:
            return index
        have = self.result.engines[index].out_lanes
        common = lcm(have, lanes)
        for taken, given in ((have, common), (common, lanes)):
            if taken != given:
                name = f"{self.stream[tensor]}:{taken}to{given}"
                converter = Converter(
                    tensor=name, lanes=taken, given=given, output=self.program.int_type(tensor)
                )
                self._connect(tensor, index, step := self._add(converter))
                index = step
        return index
