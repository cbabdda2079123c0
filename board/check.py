"""Tells what this board is and has, as one JSON line.

The host brings it with the other programs (tasks/boards/runtime.py) and runs it through
board/guard.py, as root where the board lets it, with PROFILE as argument, the file that sets up
pynq's environment. With a second argument, a .bit file that is known to be good, it loads that and
tells of it only: whether it is loaded, of how many parts it is, whether it gave back what it was
sent (null if it is not made for that), or the error.

Facts that this board does not tell are null; pynq_error says why pynq could not be asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

PYNQ_BOARD = Path("/proc/device-tree/chosen/pynq_board")  # as PYNQ's images set it
MODEL = Path("/proc/device-tree/model")
WORDS, ANSWER_S = 64, 5.0


def main() -> None:
    """Print the facts."""
    facts = of_overlay(sys.argv[2]) if sys.argv[2:] else of_board()
    sys.stdout.write(json.dumps(facts) + "\n")


def of_board() -> dict[str, Any]:
    """What this board is and has."""
    facts = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "root": os.geteuid() == 0,
        "profile": os.access(sys.argv[1], os.R_OK),
        "twin": os.environ.get("OVERLAYFLOW_TWIN_KIND"),
        "board": text(PYNQ_BOARD),
        "model": text(MODEL),
        "disk_free_bytes": disk_free(),
        "cma_total_kb": memory("CmaTotal"),
        "cma_free_kb": memory("CmaFree"),
        "temperature_c": temperature(),
        "pynq": None,
        "pynq_error": None,
        "device": None,
        "fclk0_mhz": None,
    }
    facts.update(of_pynq())
    facts["now"] = time.time()  # last: pynq takes seconds
    return facts


def text(path: Path) -> str | None:
    """A device tree's string."""
    try:
        return path.read_text("utf-8", "replace").strip("\0\n ")
    except OSError:
        return None


def disk_free() -> int:
    """Bytes that the file system of the current directory has left."""
    found = os.statvfs(".")
    return found.f_bavail * found.f_frsize


def memory(name: str) -> int | None:
    """A figure of /proc/meminfo in kB; None for one that is 0, as on machines without CMA."""
    for line in (text(Path("/proc/meminfo")) or "").splitlines():
        key, _, rest = line.partition(":")
        if key == name:
            return int(rest.split()[0]) or None
    return None


def temperature() -> float | None:
    """Of the chip in degrees Celsius, by the XADC or the system monitor."""
    for device in Path("/sys/bus/iio/devices").glob("iio:device*"):
        for raw in sorted(device.glob("in_temp*_raw")):
            stem = str(raw)[: -len("raw")]
            with contextlib.suppress(OSError, ValueError):
                offset = float(Path(stem + "offset").read_text("ascii"))
                scale = float(Path(stem + "scale").read_text("ascii"))
                return (float(raw.read_text("ascii")) + offset) * scale / 1000
    return None


def of_pynq() -> dict[str, Any]:
    """What pynq says of itself and of the fabric."""
    facts: dict[str, Any] = {}
    try:
        import pynq

        facts["pynq"] = pynq.__version__
        facts["device"] = pynq.Device.active_device.name
        facts["fclk0_mhz"] = float(pynq.Clocks.fclk0_mhz)
    except Exception as error:  # noqa: BLE001  # pynq raises what it likes: the host is told
        facts["pynq_error"] = f"{type(error).__name__}: {error}"
    return facts


def of_overlay(bit: str) -> dict[str, Any]:
    """Whether a design that is known to be good loads and answers."""
    try:
        import pynq

        overlay = pynq.Overlay(bit)
        parts = overlay.ip_dict
        echoes = gives_back(overlay.hier_0.axi_dma_0) if "hier_0/axi_dma_0" in parts else None
        return {"loaded": overlay.is_loaded(), "parts": len(parts), "echoes": echoes}
    except Exception as error:  # noqa: BLE001  # pynq raises what it likes: the host is told
        return {"error": f"{type(error).__name__}: {error}"}


def gives_back(dma: Any) -> bool:
    """Whether words come back from the fabric as they were sent."""
    import pynq

    sent, received = (pynq.allocate((WORDS,), "float32") for _ in range(2))
    sent[:] = range(WORDS)
    dma.recvchannel.transfer(received)
    dma.sendchannel.transfer(sent)
    end = time.monotonic() + ANSWER_S
    while not dma.recvchannel.idle:
        if time.monotonic() > end:
            raise TimeoutError(f"the design has not answered within {ANSWER_S:g} s")
        time.sleep(0.001)
    dma.recvchannel.wait()  # raises where the transfer failed; else sees to the caches
    return bool((received == sent).all())


if __name__ == "__main__":
    main()
