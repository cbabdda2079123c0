"""Reads the reports of Vivado HLS, Vitis HLS and Vivado into typed records with units.

Each reader reads one file. Instead of returning an incomplete record, it raises InputError, which
names the file and what is missing. The stage of a figure says whether HLS estimated it, or Vivado
counted it after synthesis or after placement.
"""

from tasks.toolchains.vivado.reports.csynth import CsynthReport, read_csynth
from tasks.toolchains.vivado.reports.hierarchy import Instance, read_hierarchy
from tasks.toolchains.vivado.reports.power import read_power_w
from tasks.toolchains.vivado.reports.route_status import read_failed_nets
from tasks.toolchains.vivado.reports.timing import TimingReport, read_timing
from tasks.toolchains.vivado.reports.utilisation import read_utilisation

__all__ = [
    "CsynthReport",
    "Instance",
    "TimingReport",
    "read_csynth",
    "read_failed_nets",
    "read_hierarchy",
    "read_power_w",
    "read_timing",
    "read_utilisation",
]
