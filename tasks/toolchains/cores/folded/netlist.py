"""Collects the Verilog of a folded core: streams, and the modules between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.core.records.design import FixedPoint


@dataclass(frozen=True)
class Link:
    """A stream of one tensor inside the core.

    Attributes:
        name: prefix of its wires.
        format: of its elements.
        row: elements of a row; each row starts a new beat.
        rows: rows of a sample.
        par: elements per beat.
    """

    name: str
    format: FixedPoint
    row: int
    rows: int
    par: int

    @property
    def bits(self) -> int:
        """Bits of a beat."""
        return self.par * self.format.width

    @property
    def beats(self) -> int:
        """Beats of a sample."""
        return self.rows * -(-self.row // self.par)


@dataclass
class Netlist:
    """Lines of the core's module, in the order in which they were added.

    Attributes:
        lines: of the module.
        names: given so far, so that each is unique.
        unit: number of the row of estimates that is being built; names begin with it, so that
            cells can be counted row by row after synthesis.
    """

    lines: list[str] = field(default_factory=list)
    names: int = 0
    unit: int = 0

    def link(self, format: FixedPoint, row: int, rows: int, par: int) -> Link:  # noqa: A002 - as in Link
        """Declare the wires of a new stream."""
        self.names += 1
        link = Link(f"s{self.names}", format, row, rows, par)
        self.lines += [
            f"    wire [{link.bits - 1}:0] {link.name}_data;",
            f"    wire {link.name}_valid, {link.name}_ready;",
        ]
        return link

    def like(self, link: Link) -> Link:
        """Declare the wires of a stream of the same tensor."""
        return self.link(link.format, link.row, link.rows, link.par)

    def pass_on(self, source: Link, target: Link) -> None:
        """Connect the handshakes of two streams with combinational logic between them."""
        self.assign(f"{target.name}_valid", f"{source.name}_valid")
        self.assign(f"{source.name}_ready", f"{target.name}_ready")

    def fork(self, source: Link, targets: Sequence[Link]) -> None:
        """Connect the handshakes of a stream with those of several, which get each of its beats."""
        ports = {"clk": "clk", "rst_n": "rst_n"}
        ports |= {f"in_{part}": f"{source.name}_{part}" for part in PARTS[1:]}
        for part in PARTS[1:]:
            joined = ", ".join(f"{target.name}_{part}" for target in reversed(targets))
            ports[f"out_{part}"] = f"{{{joined}}}"
        self.instance("stream_fork", {"N": len(targets)}, ports)

    def wire(self, bits: int, name: str) -> str:
        """Declare a wire and return its name."""
        full = self._name(name)
        self.lines.append(f"    wire [{bits - 1}:0] {full};")
        return full

    def assign(self, target: str, value: str) -> None:
        """Connect a wire."""
        self.lines.append(f"    assign {target} = {value};")

    def counter(self, link: Link, beats: int) -> str:
        """Count a stream's beats modulo `beats`."""
        bits = max((beats - 1).bit_length(), 1)
        name = self._name("beat")
        self.lines += [
            f"    reg [{bits - 1}:0] {name};",
            f"    always @(posedge clk) if (!rst_n) {name} <= {bits}'d0;",
            f"        else if ({link.name}_valid && {link.name}_ready)",
            f"            {name} <= ({name} == {bits}'d{beats - 1}) ? {bits}'d0 : {name} + 1'b1;",
        ]
        return name

    def table(self, counter: str, words: Sequence[int], bits: int) -> str:
        """Look up a word for each value of a counter."""
        name, address = self._name("select"), max((len(words) - 1).bit_length(), 1)
        self.lines += [
            f"    reg [{bits - 1}:0] {name};",
            f"    always @(*) case ({counter})",
            *(f"        {address}'d{n}: {name} = {bits}'h{w:x};" for n, w in enumerate(words)),
            f"        default: {name} = {bits}'h0;",
            "    endcase",
        ]
        return name

    def delay(self, signal: str, width: int, clocks: int) -> str:
        """Return the signal delayed by some clocks."""
        for _ in range(clocks):
            name = self._name("later")
            self.lines += [
                f"    reg [{width - 1}:0] {name};",
                f"    always @(posedge clk) {name} <= {signal};",
            ]
            signal = name
        return signal

    def instance(
        self, module: str, parameters: Mapping[str, int | str], ports: Mapping[str, str]
    ) -> str:
        """Instantiate a module and return the instance's name."""
        name = self._name(module)
        values = ", ".join(f".{key}({value})" for key, value in parameters.items())
        connections = ", ".join(f".{key}({value})" for key, value in ports.items())
        chosen = f" #({values})" if parameters else ""
        self.lines.append(f"    {module}{chosen} {name} ({connections});")
        return name

    def between(
        self,
        module: str,
        parameters: Mapping[str, int | str],
        source: Link,
        target: Link,
        extra: Mapping[str, str] | None = None,
    ) -> str:
        """Instantiate a module that reads one stream and writes another."""
        ports = {"clk": "clk", "rst_n": "rst_n", **(extra or {})}
        for prefix, link in (("in", source), ("out", target)):
            ports |= {f"{prefix}_{part}": f"{link.name}_{part}" for part in PARTS}
        return self.instance(module, parameters, ports)

    def _name(self, name: str) -> str:
        self.names += 1
        return f"unit{self.unit}_{name}_{self.names}"


PARTS = ("data", "valid", "ready")
