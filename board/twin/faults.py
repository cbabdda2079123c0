"""Sets and clears faults of a running twin, stored as one file each in its directory.

The server, its sudo and the emulated device read the current faults when they need them. Link
faults affect later connections; a full disk affects later programs, and SFTP at once.
"""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import TwinError
from .record import TwinDirectory

SLOW_LINK, DROP_LINK, REFUSE_SUDO, FULL_DISK = "slow-link", "drop-link", "refuse-sudo", "full-disk"
REBOOT = "reboot"


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        does: effect, for display.
        value: meaning of the value, for display; empty if it takes none.
        parse: raises ValueError for invalid values.
        default: default value; empty if a value must be given.
    """

    does: str
    value: str = ""
    parse: Callable[[str], object] = str
    default: str = ""


def _positive_int(text: str) -> int:
    number = int(text, 0)
    if number <= 0:
        raise ValueError("must be above zero")
    return number


def _positive_float(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError("must be above zero")
    return number


def _dma_error(text: str) -> str:
    if text not in {"internal", "slave", "decode"}:
        raise ValueError("must be internal, slave or decode")
    return text


FAULTS: Mapping[str, Fault] = {
    SLOW_LINK: Fault("the network is slow", "size/s", _positive_int),
    DROP_LINK: Fault("connections break after so many bytes to the board", "size", _positive_int),
    REFUSE_SUDO: Fault("the user may not use sudo"),
    FULL_DISK: Fault("no space is left for SFTP and Python programs"),
    "dma-stall": Fault("DMA transfers never end"),
    "dma-error": Fault("DMA transfers fail", "internal, slave or decode", _dma_error, "slave"),
    "wrong-output": Fault("bits flip in the first word of answers", "mask", _positive_int, "1"),
    "high-buffers": Fault("buffers up to a size lie above 4 GiB", "size", _positive_int, "4096"),
    "clock": Fault("the fabric's clock stays at another frequency", "MHz", _positive_float),
    REBOOT: Fault("the board reboots, once", "time", _positive_float, "1"),
}


def set_fault(state_dir: Path, name: str, kind: str, value: str = "") -> None:
    """Set a fault of a running twin, or change its value.

    Args:
        state_dir: directory of all twins.
        name: of the twin.
        kind: a key of FAULTS.
        value: as FAULTS says.

    Raises:
        TwinError: the twin does not run, there is no such fault, or the value is invalid.
    """
    directory = TwinDirectory(state_dir / name)
    record = directory.running()
    if record is None:
        raise TwinError(f"twin {name} does not run", f"overlayflow twin start {name}")
    fault = _fault(kind)
    if value and not fault.value:
        raise TwinError(f"the fault {kind} takes no value, not {value!r}")
    try:
        fault.parse(value or fault.default)
    except ValueError as error:
        raise TwinError(
            f"the fault {kind} cannot be {value!r}: {error}", f"say {kind}={fault.value.upper()}"
        ) from error
    directory.faults.mkdir(exist_ok=True)
    aside = directory.faults / f".{kind}.{os.getpid()}"
    aside.write_text(value or fault.default, encoding="utf-8")
    aside.replace(directory.faults / kind)
    if kind == REBOOT:
        os.kill(record.pid, signal.SIGHUP)


def clear_faults(state_dir: Path, name: str, kind: str | None = None) -> None:
    """Clear one fault or all of them; clearing one that is not set is no error.

    Raises:
        TwinError: there is no such fault.
    """
    kinds = list(FAULTS)
    if kind is not None:
        _fault(kind)
        kinds = [kind]
    for each in kinds:
        (TwinDirectory(state_dir / name).faults / each).unlink(missing_ok=True)


def faults_of(state_dir: Path, name: str) -> dict[str, str]:
    """Return a twin's faults and their values."""
    found = {kind: value_of(TwinDirectory(state_dir / name).faults, kind) for kind in FAULTS}
    return {kind: value for kind, value in found.items() if value is not None}


def value_of(faults: Path, kind: str) -> str | None:
    """Return the value of a fault in a twin's fault directory; None while it is not set."""
    try:
        return (faults / kind).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _fault(kind: str) -> Fault:
    if kind not in FAULTS:
        raise TwinError(f"there is no fault {kind!r}", f"use one of {', '.join(FAULTS)}")
    return FAULTS[kind]
