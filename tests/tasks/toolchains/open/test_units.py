"""Cells are counted for the unit of a core that they belong to."""

from typing import Any

from tasks.toolchains.open.units import count_units

LUT, REGISTER = {"I0": "input", "O": "output"}, {"D": "input", "Q": "output"}


def cell(kind: str, directions: dict[str, str], *nets: int | str) -> dict[str, Any]:
    bits = {port: [net] for port, net in zip(directions, nets, strict=True)}
    return {"type": kind, "port_directions": directions, "connections": bits}


def test_a_cell_without_a_name_belongs_to_the_unit_that_reads_it() -> None:
    """A chain: register of unit 0, two LUTs, register of unit 1, a LUT to the core's output."""
    netlist = {
        "netnames": {
            "unit0_matvec_3.x": {"bits": [2]},
            "unit1_lane_7.x": {"bits": [2]},
            "$flatten\\unit1_lane_7.y": {"bits": [5]},
            "out_data": {"bits": [6]},
        },
        "cells": {
            "$1": cell("FDRE", REGISTER, "0", 2),
            "$2": cell("LUT2", LUT, 2, 3),
            "$3": cell("LUT3", LUT, 3, 4),
            "$4": cell("FDRE", REGISTER, 4, 5),
            "$5": cell("LUT4", LUT, 5, 6),
            "unit1_queue_9.memory.0.0": cell("RAM32M", REGISTER, 5, 7),
        },
    }
    counted = count_units(netlist, 2)
    assert counted == ({"FDRE": 1}, {"LUT2": 1, "LUT3": 1, "FDRE": 1, "RAM32M": 1})
