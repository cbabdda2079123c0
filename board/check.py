"""Reports the board's hardware and software as one JSON line.

The host sends this program with the others (tasks/boards/runtime.py) and runs it through
board/guard.py, as root if possible. Its first argument is PROFILE, the file that sets up pynq's
environment. With a second argument, a known-good .bit file, it loads that design and reports only
whether it is loaded, its number of IPs, whether it echoed what it was sent (null if it is no
loopback), or the error.

Facts that the board does not offer are null; pynq_error says why pynq could not be used.
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
    """Return what is known of this board."""
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
    """Return a string of the device tree, or None if it has none."""
    try:
        return path.read_text("utf-8", "replace").strip("\0\n ")
    except OSError:
        return None


def disk_free() -> int:
    """Return the free bytes of the current directory's file system."""
    found = os.statvfs(".")
    return found.f_bavail * found.f_frsize


def memory(name: str) -> int | None:
    """Return a figure of /proc/meminfo in kB; None if it is 0, as on machines without CMA."""
    for line in (text(Path("/proc/meminfo")) or "").splitlines():
        key, _, rest = line.partition(":")
        if key == name:
            return int(rest.split()[0]) or None
    return None


def temperature() -> float | None:
    """Return the chip's temperature in degrees Celsius, from the XADC or the system monitor."""
    for device in Path("/sys/bus/iio/devices").glob("iio:device*"):
        for raw in sorted(device.glob("in_temp*_raw")):
            stem = str(raw)[: -len("raw")]
            with contextlib.suppress(OSError, ValueError):
                offset = float(Path(stem + "offset").read_text("ascii"))
                scale = float(Path(stem + "scale").read_text("ascii"))
                return (float(raw.read_text("ascii")) + offset) * scale / 1000
    return None


def of_pynq() -> dict[str, Any]:
    """Return pynq's version, device and fabric clock."""
    facts: dict[str, Any] = {}
    try:
        import pynq

        facts["pynq"] = pynq.__version__
        facts["device"] = pynq.Device.active_device.name
        facts["fclk0_mhz"] = float(pynq.Clocks.fclk0_mhz)
    except Exception as error:  # noqa: BLE001  # pynq may raise anything: report it to the host
        facts["pynq_error"] = f"{type(error).__name__}: {error}"
    return facts


def of_overlay(bit: str) -> dict[str, Any]:
    """Load a known-good design and report whether it answers."""
    try:
        import pynq

        overlay = pynq.Overlay(bit)
        parts = overlay.ip_dict
        echoes = gives_back(overlay.hier_0.axi_dma_0) if "hier_0/axi_dma_0" in parts else None
        return {"loaded": overlay.is_loaded(), "parts": len(parts), "echoes": echoes}
    except Exception as error:  # noqa: BLE001  # pynq may raise anything: report it to the host
        return {"error": f"{type(error).__name__}: {error}"}


def gives_back(dma: Any) -> bool:
    """Return whether the fabric echoes words unchanged."""
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
    dma.recvchannel.wait()  # raises if the transfer failed; invalidates the caches
    return bool((received == sent).all())


if __name__ == "__main__":
    main()
