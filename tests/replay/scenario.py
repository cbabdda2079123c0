"""What a replay tool does: well, or one of the faults of faults.toml at its phase.

A scenario is a TOML file, named by OVERLAYFLOW_REPLAY_SCENARIO; without one all goes well:

    version = "2019.2"
    faults = [{name = "licence-busy", times = 2}, {name = "hls-hang", at = "export_design"}]

A fault may be changed, as the second one, or be any other: one whose name is that of a signature
(tasks/toolchains/vivado/signatures.toml) prints its first example and fails, at the phase that
`at` names.

A fault strikes `times` times, or always, over all runs that use the scenario: beside the file,
`<file>.jsonl` gets a line for all that happens, which tests read.
"""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from tests.replay.errors import CommandError

ENVIRONMENT = "OVERLAYFLOW_REPLAY_SCENARIO"
SIGNATURES = Path(__file__).parents[2] / "tasks" / "toolchains" / "vivado" / "signatures.toml"
# What each version knows: parts and board files came one by one.
_PARTS = (
    *(("", "xc7z020clg400-1"), ("", "xczu9eg-ffvb1156-2-e"), ("", "xczu7ev-ffvc1156-2-e")),
    *(("", "xczu3eg-sbva484-1-i"), ("", "xczu3eg-sfvc784-2-e"), ("2021.1", "xck26-sfvc784-2LV-c")),
)
_BOARDS = (
    *(("", "www.digilentinc.com:pynq-z1:part0:1.0"), ("", "tul.com.tw:pynq-z2:part0:1.0")),
    *(("", "xilinx.com:zcu102:part0:3.3"), ("2020.1", "xilinx.com:zcu102:part0:3.4")),
    *(("", "xilinx.com:zcu104:part0:1.1"), ("", "avnet.com:ultra96v2:part0:1.2")),
    *(("2022.1", "xilinx.com:kv260_som:part0:1.3"), ("2023.1", "xilinx.com:kv260_som:part0:1.4")),
    ("", "realdigital.org:aup-zu3-8gb:part0:1.0"),
)

# error: the command fails. silent: it does nothing, and says so to nobody. signal: the tool ends
# itself by one. exit: it ends with a status. hang: it waits for ever, with a child that ignores
# SIGTERM in a session of its own. mark: the command itself knows what to do.
Effect = Literal["error", "silent", "signal", "exit", "hang", "mark"]

_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)"


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    Attributes:
        at: the phase that it strikes.
        tool: that it strikes; either when empty.
        lines: that it prints.
        effect: what it does then.
        value: of the effect: a signal's name, an exit status.
        report: what stands in the hs_err_pid<pid>.log that it leaves; none when empty.
        times: it strikes so many times, -1 for always.
    """

    name: str
    at: str
    effect: Effect
    tool: str = ""
    lines: tuple[str, ...] = ()
    value: str = ""
    report: str = ""
    times: int = -1


@dataclass
class Scenario:
    """Faults, what the replayed machine has, and what its designs take.

    Attributes:
        parts: that are installed; None for all that the version knows.
        board_parts: likewise.
        board_device: the part that every board brings; empty for the one that is asked for.
        platform: whether the hardware handoff is in the platform (.xsa) only.
        lut: LUTs of every design, in the reports.
    """

    path: Path | None = None
    version: str = "2019.2"
    y2k22_patch: bool = True
    parts: tuple[str, ...] | None = None
    board_parts: tuple[str, ...] | None = None
    board_device: str = ""
    platform: bool = False
    lut: int = 2100
    faults: dict[str, Fault] = field(default_factory=dict)

    @classmethod
    def load(cls) -> "Scenario":
        """The scenario that the environment names."""
        name = os.environ.get(ENVIRONMENT)
        if not name:
            return cls()
        content = tomllib.loads(Path(name).read_text(encoding="utf-8"))
        asked: list[dict[str, Any]] = content.pop("faults", [])
        faults = {each["name"]: _fault(each) for each in asked}
        return cls(path=Path(name), faults=faults, **content)

    @property
    def devices(self) -> list[str]:
        """Parts that are installed."""
        return self._known(_PARTS) if self.parts is None else list(self.parts)

    @property
    def boards(self) -> list[str]:
        """Boards whose files are installed."""
        return self._known(_BOARDS) if self.board_parts is None else list(self.board_parts)

    def _known(self, since: tuple[tuple[str, str], ...]) -> list[str]:
        return [name for version, name in since if version <= self.version]

    def record(self, event: str, **fields: object) -> None:
        """Note what happens, for tests."""
        if self.path is not None:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(json.dumps({"event": event, "pid": os.getpid(), **fields}) + "\n")

    def fault(self, at: str, tool: str = "") -> Fault | None:
        """The fault that strikes at this phase now; it is counted."""
        for fault in self.faults.values():
            if fault.at != at or (fault.tool and tool and fault.tool != tool):
                continue
            struck = sum(1 for line in self._lines() if line.get("fault") == fault.name)
            if fault.times < 0 or struck < fault.times:
                self.record("fault", fault=fault.name)
                return fault
        return None

    def strike(self, at: str, tool: str = "") -> Fault | None:
        """Suffer the fault of this phase; None if there is none.

        Raises:
            CommandError: the fault is an error.
        """
        fault = self.fault(at, tool)
        if fault is not None:
            for line in fault.lines:
                print(line, flush=True)
            suffer(fault, self)
        return fault

    @property
    def _journal(self) -> Path:
        assert self.path is not None
        return self.path.with_name(self.path.name + ".jsonl")

    def _lines(self) -> list[dict[str, Any]]:
        if self.path is None or not self._journal.exists():
            return []
        return [json.loads(line) for line in self._journal.read_text().splitlines()]


def _fault(asked: dict[str, Any]) -> Fault:
    """What a scenario asks for: a fault of faults.toml, or one that a signature tells of."""
    fields = catalogue().get(asked["name"]) or {"effect": "error", "lines": _example(asked["name"])}
    changed = fields | asked
    return Fault(**changed | {"lines": tuple(changed["lines"])})


def _example(signature: str) -> tuple[str, ...]:
    """What a tool prints when it fails in a way that is known; none for other names."""
    content = tomllib.loads(SIGNATURES.read_text(encoding="utf-8"))
    return next(
        (tuple(each["examples"][:1]) for each in content["signature"] if each["id"] == signature),
        (),
    )


def catalogue() -> dict[str, dict[str, Any]]:
    """All faults by name."""
    text = Path(__file__).with_name("faults.toml").read_text(encoding="utf-8")
    faults: dict[str, dict[str, Any]] = tomllib.loads(text)
    return {
        name: fault | {"lines": tuple(fault.get("lines", ()))} for name, fault in faults.items()
    }


def suffer(fault: Fault, scenario: Scenario) -> None:
    """Do what a fault does to the process, if anything.

    Raises:
        CommandError: it is an error.
    """
    if fault.report:
        text = f"# An unexpected error has occurred (6), in a replay\n{fault.report}\n"
        Path(f"hs_err_pid{os.getpid()}.log").write_text(text, encoding="utf-8")
    if fault.effect == "error":
        raise CommandError
    if fault.effect == "exit":
        os._exit(int(fault.value))
    if fault.effect == "signal":
        os.kill(os.getpid(), signal.Signals[fault.value])
    if fault.effect == "hang":
        _hang(scenario)


def _hang(scenario: Scenario) -> NoReturn:
    child = subprocess.Popen([sys.executable, "-c", _DEAF], start_new_session=True)
    scenario.record("hang", child=child.pid)
    while True:
        time.sleep(60)
