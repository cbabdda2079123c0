"""Kill, race and load: python -m bench.chaos [--kills 50] [--races 100] [--packages 1000].

Prints each figure with its budget and writes bench/chaos.json. All happens in temporary homes, with
a Prefect server and a twin of their own. Three quarters of an hour on two cores, mostly for the
kills; the sweep of 200 points is measured by python -m bench.sweep.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bench import demo
from bench.figures import Figure, Results
from board.twin import lifecycle
from tasks.boards import lease as leases
from tasks.boards.twins import address_of
from tasks.core import settings
from tasks.core.records.base import Entry
from tasks.core.records.design import FixedPoint, Stream
from tasks.core.records.package import Manifest, Package
from tasks.steps import registry
from tasks.store.store import Store, digest

RESULTS = Path(__file__).with_name("chaos.json")
KILLS, RACES, PACKAGES = 50, 100, 1000
GONE_S = 10.0
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# Every so often a run begins with nothing in the store, to be killed in a build.
COLD = 5
RACER = """
import json, os, sys, time
from tasks.boards.address import BoardAddress
from tasks.boards.lease import lease
address, mark, times = sys.argv[1:]
overlaps = 0
for _ in range(int(times)):
    with lease([BoardAddress.model_validate_json(address)], "race", duration_s=60, wait_s=600):
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            overlaps += 1
        time.sleep(0.01)
        os.unlink(mark)
print(overlaps)
"""


def main() -> int:
    """Measure, print and write all figures; return 1 if one exceeds its budget."""
    parser = argparse.ArgumentParser(description="Kill, race and load.")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--races", type=int, default=RACES)
    parser.add_argument("--packages", type=int, default=PACKAGES)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overlayflow-chaos-") as directory:
        home = Path(directory)
        figures = [
            *many_packages(home / "packages", asked.packages),
            *raced_leases(home / "races", asked.races),
            *kills(home / "kills", asked.kills, random.Random(asked.seed)),  # noqa: S311
        ]
    results = Results(cores=os.cpu_count() or 0, figures=figures)
    RESULTS.write_text(results.model_dump_json(indent=1))
    for figure in figures:
        print(figure)
    print(f"written to {RESULTS}")
    return 0 if all(figure.met for figure in figures) else 1


def kills(home: Path, rounds: int, chance: random.Random) -> list[Figure]:
    """Kill a process of a run at a random moment, and see what is left and what the next run does.

    Args:
        home: an empty directory.
        rounds: how often.
        chance: decides when, which process and by which signal.
    """
    env = demo.environment(home)
    store = Store(Path(env["OVERLAYFLOW_HOME"]) / "store")
    demo.command(["twin", "start"], env)
    wrong, left, slowest_s = 0, 0, 0.0
    try:
        with demo.server(env) as served:
            cold_s, _, printed = demo.command(demo.RUN, served)
            warm_s, _, _ = demo.command(demo.RUN, served)
            expected = _computed(printed)
            for number in range(rounds):
                cold = number % COLD == 0
                if cold:
                    demo.command(["store", "prune", "--keep", "0GB"], served)
                what = _kill(served, chance.uniform(0, cold_s if cold else warm_s), chance)
                gone_s = _until_gone(served)
                left += gone_s is None
                slowest_s = max(slowest_s, gone_s or GONE_S)
                right = _next_run(served) == expected and _whole(store)
                wrong += not right
                print(
                    f"{number + 1}/{rounds} {what}: nothing left after {gone_s} s, "
                    f"next run {'right' if right else 'WRONG'}",
                    flush=True,
                )
    finally:
        demo.command(["twin", "stop"], env)
    return [
        Figure(name=f"wrong runs after {rounds} kills", value=wrong, unit="", budget=0),
        Figure(name="kills that left a process or a lease", value=left, unit="", budget=0),
        Figure(name="until nothing is left, at most", value=slowest_s, unit="s", budget=GONE_S),
    ]


def _kill(env: Mapping[str, str], after_s: float, chance: random.Random) -> str:
    """Start a run, kill one of its processes, wait for its end, and say what was killed."""
    with subprocess.Popen(
        [*demo.OVERLAYFLOW, *demo.RUN],
        cwd=demo.ROOT,
        env=dict(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        try:
            run.wait(after_s)
        except subprocess.TimeoutExpired:
            pid = chance.choice(_tree(run.pid))
            number = chance.choice(SIGNALS)
            name = _name(pid)
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return f"{name} was faster than {number.name}"
            return f"{number.name} to {name} after {after_s:.1f} s, exit status {run.wait()}"
    return "it had ended"


def _tree(root: int) -> list[int]:
    """Return a process and all that it has started, the guards' sessions included."""
    parents = {pid: _parent(pid) for pid in _pids()}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _name(pid: int) -> str:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "a process"
    return b" ".join(arguments[:4])[-60:].decode(errors="replace").strip()


def _until_gone(env: Mapping[str, str]) -> float | None:
    """Return the seconds until no process of a run is left and the twin is free; None if late."""
    started = time.monotonic()
    record = lifecycle.status(Path(env["OVERLAYFLOW_HOME"]) / "twins", "twin")
    if record is None:
        return None
    address = address_of(record)
    while time.monotonic() < started + GONE_S:
        if not _working(env) and leases.show(address).free:
            return time.monotonic() - started
        time.sleep(0.1)
    return None


def _working(env: Mapping[str, str]) -> list[int]:
    """Return the processes of runs: those of this home but for its server and its twin's."""
    mark = f"OVERLAYFLOW_HOME={env['OVERLAYFLOW_HOME']}".encode()
    url = f"PREFECT_API_URL={env['PREFECT_API_URL']}".encode()
    found = []
    for pid in _pids():
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in variables and url in variables:
            found.append(pid)
    return found


def _next_run(env: Mapping[str, str]) -> object:
    """Return what the next run computes; None if it fails."""
    done = subprocess.run(
        [*demo.OVERLAYFLOW, *demo.RUN],
        cwd=demo.ROOT,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return _computed(done.stdout) if done.returncode == 0 else None


def _computed(printed: str) -> object:
    verdict = json.loads(printed.splitlines()[-1])["verdict"]
    return verdict["bit_exact"], verdict["samples"], verdict["measurement"]["y_hw_digest"]


def _whole(store: Store) -> bool:
    return all(store.verify(info.entry) for info in store.list())


def raced_leases(home: Path, times: int) -> list[Figure]:
    """Have two servers race for a twin's lease."""
    home.mkdir(parents=True)
    record = lifecycle.start(home, "raced", python=settings.board_python())
    try:
        address = address_of(record).model_dump_json()
        started = time.monotonic()
        command = [sys.executable, "-c", RACER, address, str(home / "mark"), str(times // 2)]
        racers = [
            subprocess.Popen(command, cwd=demo.ROOT, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        overlaps = sum(int(racer.communicate()[0]) for racer in racers)
        seconds = time.monotonic() - started
    finally:
        lifecycle.stop(home, "raced")
    return [
        Figure(name=f"overlaps of {times} raced leases", value=overlaps, unit="", budget=0),
        Figure(name="raced lease, mean", value=seconds / times, unit="s", budget=1.0),
    ]


def many_packages(home: Path, count: int) -> list[Figure]:
    """List the packages of a large store, as the nightly run does."""
    store = Store(home)
    for number in range(count):
        inputs = {"number": number}
        entry = Entry(step="package", digest=digest("package", inputs))
        store.get_or_build(entry, inputs, Package, partial(_package, entry, number))
    fresh = Store(home)
    before = _open_files()
    started = time.monotonic()
    found = 0
    most = before
    for _ in registry.packages(fresh):
        found += 1
        most = max(most, _open_files())
    seconds = time.monotonic() - started
    return [
        Figure(name=f"listing {count} packages", value=seconds, unit="s", budget=10),
        Figure(name="packages not listed", value=count - found, unit="", budget=0),
        Figure(name="open files more than before", value=most - before, unit="", budget=10),
    ]


def _package(entry: Entry, number: int, _files: Path) -> Package:
    tensor = Stream(shape=(4,), element=FixedPoint(width=16, integer=6))
    manifest = Manifest(
        project_name="chaos",
        target="twin",
        board_kind="pynq-z2",
        part="xc7z020clg400-1",
        clock_mhz=100.0,
        input=tensor,
        output=tensor,
        model_name="chaos.keras",
        model_digest="0" * 64,
        samples=1,
        versions={},
    )
    return Package(entry=entry, manifest=manifest, digest=f"{number:064x}", size=0)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


if __name__ == "__main__":
    sys.exit(main())
