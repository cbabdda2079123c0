"""Finds and checks the files that Vivado makes."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tasks.core.errors import InputError
from tasks.hardware.bitfile import read_bit, target
from tasks.hardware.part import parse_part
from tasks.toolchains.vivado.progress import ended_run

REPORTS = (
    *("utilization_placed.rpt", "timing_summary_routed.rpt", "power_routed.rpt"),
    *("route_status.rpt", "drc_routed.rpt", "methodology_routed.rpt"),
)

# Resumes a project whose runs were launched before.
RESUME = Path(__file__).resolve().parent / "tcl" / "resume.tcl"


class Products:
    """The files that Vivado makes.

    Args:
        directory: in which it runs.
        name: of the hls4ml project.
        part: full name.
        project: name of the directory of Vivado's project.
    """

    def __init__(self, directory: Path, name: str, part: str, project: str) -> None:
        self._directory = directory
        self._name = name
        self._part = part
        self._root = directory / project
        self.project_file = Path(project) / "project_1.xpr"
        self.runs = self._root / "project_1.runs"
        self.bit = self.runs / "impl_1" / "design_1_wrapper.bit"
        self.utilisation = directory / "util.rpt"
        self.synthesised = directory / "utilization_synth.rpt"
        self.reports = directory / "reports"

    @classmethod
    def of_hls4ml(cls, directory: Path, name: str, part: str) -> Self:
        """Return the products of hls4ml's design.tcl."""
        return cls(directory, name, part, f"{name}_vivado_accelerator")

    @property
    def handoff(self) -> Path:
        """The .hwh, which may not exist.

        Vivado 2020.2 and later have it below project_1.gen, earlier ones below project_1.srcs;
        without either, our Tcl writes a platform that contains it.
        """
        inside = Path("sources_1", "bd", "design_1", "hw_handoff", "design_1.hwh")
        beside = [self._root / f"project_1.{kind}" / inside for kind in ("gen", "srcs")]
        unpacked = self._directory / "design_1.hwh"
        platform = self._directory / "design_1.xsa"
        if not any(path.exists() for path in (*beside, unpacked)) and platform.exists():
            _unpack(platform, unpacked)
        return next((path for path in (*beside, unpacked) if path.exists()), beside[0])

    def begun(self) -> list[Path]:
        """Return the directories of all started runs, without those from Vivado's cache."""
        return sorted(mark.parent for mark in self.runs.glob("*/.vivado.begin.rst"))

    def to_repeat(self) -> list[str]:
        """Return started runs without success, judged by their marker files and the bitstream."""
        repeat = [path.name for path in self.begun() if not ended_run(path)]
        if "impl_1" not in repeat and self.bit_problem():
            repeat.append("impl_1")
        return repeat

    def failed_logs(self) -> list[Path]:
        """Return the logs of runs without success, first those that others depend on."""
        order = {"synth_1": 1, "impl_1": 2}
        logs = [path / "runme.log" for path in self.begun() if not ended_run(path)]
        return sorted(
            (log for log in logs if log.exists()),
            key=lambda log: (order.get(log.parent.name, 0), log.stat().st_mtime),
        )

    def lacking(self) -> Iterator[str]:
        """Yield what this build lacks for success."""
        begun = self.begun()
        if not begun:
            yield "no run was begun"
            return
        for run in begun:
            if not ended_run(run):
                yield f"run {run.name} has no good end"
        if self.runs / "impl_1" not in begun:
            yield "run impl_1 was not begun"
        if problem := self.bit_problem():
            yield problem
        if problem := self._handoff_problem():
            yield problem
        routed = (self.reports / name for name in REPORTS)
        reports = (self.synthesised, self.utilisation, *routed)
        if missing := [report.name for report in reports if not report.exists()]:
            yield f"reports were not written: {', '.join(missing)}"

    def bit_problem(self) -> str:
        """Return what is wrong with the bitstream; empty if nothing is."""
        if not self.bit.exists():
            return f"{self.bit.name} was not written"
        try:
            target(self.bit)
        except InputError as error:
            return f"{self.bit.name}: {error.what}"
        written, wanted = read_bit(self.bit).part, parse_part(self._part).in_bit
        return "" if written == wanted else f"{self.bit.name} is for {written}, not for {wanted}"

    def _handoff_problem(self) -> str:
        if not self.handoff.exists():
            return f"{self.handoff.name} was not written"
        text = self.handoff.read_text(encoding="utf-8", errors="replace")
        cells = ("/hier_0/axi_dma_0", f"/hier_0/{self._name}_axi_0")
        missing = [cell for cell in cells if f'FULLNAME="{cell}"' not in text]
        return f"{self.handoff.name} has no {' and no '.join(missing)}" if missing else ""


def _unpack(platform: Path, handoff: Path) -> None:
    """Extract the .hwh from a hardware platform, if there is one."""
    try:
        with zipfile.ZipFile(platform) as archive:
            name = next((each for each in archive.namelist() if each.endswith(".hwh")), None)
            content = archive.read(name) if name else b""
    except zipfile.BadZipFile:
        return
    if content:
        handoff.write_bytes(content)
