"""Counts the cells of a folded core unit by unit, after it was flattened and mapped as a whole."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

# As it stands, or in a name that Yosys made of it.
_UNIT = re.compile(r"(?:^|\\)unit(\d+)_")

Cells = Mapping[str, Mapping[str, Any]]


def count_units(module: Mapping[str, Any], units: int) -> tuple[dict[str, int], ...]:
    """Count the cells of each unit by type.

    The names of a unit's nets begin with unit0_, unit1_ and so on, and those of registers and
    memories outlast the optimisation. A cell belongs to the unit whose name it or its output has.
    The names of most LUTs get lost: they belong to the unit whose cells read their output.

    Args:
        module: the core, as write_json describes it.
        units: how many there are.
    """
    cells: Cells = module["cells"]
    found = _by_name(cells, module["netnames"])
    _spread(found, cells)
    counts: list[Counter[str]] = [Counter() for _ in range(units)]
    for name, unit in found.items():
        if unit < units:  # names behind the last unit are the core's own
            counts[unit][cells[name]["type"]] += 1
    return tuple(dict(count) for count in counts)


def _by_name(cells: Cells, nets: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return the unit of each cell that has a name of one, or drives a net that has."""
    named: dict[int, int] = {}
    for name, net in nets.items():
        if (unit := _unit_of(name)) is not None:
            # A stream has a name in the unit that makes it, and in those that read it: later ones.
            named.update((bit, min(unit, named.get(bit, unit))) for bit in net["bits"])
    found = {}
    for name, cell in cells.items():
        units = [named[bit] for bit in _bits(cell, "output") if bit in named]
        if (own := _unit_of(name)) is not None:
            units = [own]
        if units:
            found[name] = units[0]
    return found


def _spread(found: dict[str, int], cells: Cells) -> None:
    """Add the cells without names: each belongs to the unit of most cells that read its outputs."""
    readers: dict[int, list[str]] = defaultdict(list)
    for name, cell in cells.items():
        for bit in _bits(cell, "input"):
            readers[bit].append(name)
    pending = {
        name: [reader for bit in _bits(cell, "output") for reader in readers[bit]]
        for name, cell in cells.items()
        if name not in found
    }
    while pending:  # one step further from the named ones each time
        votes = {
            name: Counter(found[reader] for reader in around if reader in found)
            for name, around in pending.items()
        }
        nearest = {name: units.most_common(1)[0][0] for name, units in votes.items() if units}
        if not nearest:
            return
        found |= nearest
        pending = {name: around for name, around in pending.items() if name not in nearest}


def _unit_of(name: str) -> int | None:
    match = _UNIT.search(name)
    return int(match[1]) if match else None


def _bits(cell: Mapping[str, Any], direction: str) -> Iterator[int]:
    """Return the nets at a cell's inputs or outputs; constants are none."""
    for port, bits in cell["connections"].items():
        if cell["port_directions"][port] == direction:
            yield from (bit for bit in bits if isinstance(bit, int))
