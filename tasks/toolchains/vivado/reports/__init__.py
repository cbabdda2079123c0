"""The reports of Vivado HLS, Vitis HLS and Vivado, as typed records with units.

Each reader takes one file and raises InputError, naming the file and what it lacks, rather than
return half a record. Figures say by their stage whether HLS estimated them, or Vivado counted them
after synthesis or after placement.
"""

from tasks.toolchains.vivado.reports.csynth import CsynthReport, HlsModule, read_csynth
from tasks.toolchains.vivado.reports.hierarchy import HierarchyReport, Instance, read_hierarchy
from tasks.toolchains.vivado.reports.power import PowerReport, read_power
from tasks.toolchains.vivado.reports.route_status import RouteStatus, read_route_status
from tasks.toolchains.vivado.reports.text import ReportHeader
from tasks.toolchains.vivado.reports.timing import Clock, Slack, TimingReport, read_timing
from tasks.toolchains.vivado.reports.utilisation import (
    UtilisationReport,
    read_utilisation,
    read_vivado_synth,
)

__all__ = [
    "Clock",
    "CsynthReport",
    "HierarchyReport",
    "HlsModule",
    "Instance",
    "PowerReport",
    "ReportHeader",
    "RouteStatus",
    "Slack",
    "TimingReport",
    "UtilisationReport",
    "read_csynth",
    "read_hierarchy",
    "read_power",
    "read_route_status",
    "read_timing",
    "read_utilisation",
    "read_vivado_synth",
]
