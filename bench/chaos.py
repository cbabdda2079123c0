"""Kill, race and load: python -m bench.chaos [--kills 50] [--races 100] ....

Prints each figure with its budget and writes bench/chaos.json. All happens in temporary homes, with
Prefect servers and twins of their own. More than an hour where other jobs share two cores.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import demo, large, processes, sweep, tiny
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
NUMBERS = {"packages": 1000, "races": 100, "samples": 3_000_000, "points": 200, "kills": 50}
GONE_S = 10.0
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# In each round, the results of all steps but one are in the store, and the run is killed while it
# makes that one, or before the measurement, or after it.
PHASES = ("start", "convert", "synthesize", "implement", "package", "benchmark", "end")
SAMPLES, FEATURES = 2000, 4
ENDED_S = 300.0
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


@dataclass(frozen=True)
class Subject:
    """What is killed.

    Attributes:
        run: arguments of `overlayflow`.
        env: its environment, with a Prefect server and a twin.
        store: directory of its results.
    """

    run: list[str]
    env: Mapping[str, str]
    store: Path

    @contextmanager
    def started(self, phase: str) -> Iterator[tuple[subprocess.Popen[bytes], set[Path]]]:
        """Start a run that makes the result of this phase again; yield it and old workspaces."""
        shutil.rmtree(self.store / phase, ignore_errors=True)
        before = set((self.store / "tmp").iterdir())
        with subprocess.Popen(
            [*demo.OVERLAYFLOW, *self.run],
            cwd=demo.ROOT,
            env=dict(self.env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                self._reach(phase, process, before)
                yield process, before
            finally:
                process.kill()

    def _reach(self, phase: str, run: subprocess.Popen[bytes], before: set[Path]) -> None:
        """Wait until a phase begins."""
        if phase == "start":
            return
        self.wait(run, before, "benchmark" if phase == "end" else phase, there=True)
        if phase == "end":
            self.wait(run, before, "benchmark", there=False)

    def wait(
        self, run: subprocess.Popen[bytes], before: set[Path], step: str, *, there: bool
    ) -> None:
        """Wait until a step begins or ends: it has a workspace in the store meanwhile."""
        workspaces = self.store / "tmp"
        while run.poll() is None:
            if bool(set(workspaces.glob(f"{step}-*")) - before) == there:
                return
            time.sleep(0.02)


def main() -> int:
    """Measure, print and write all figures; return 1 if one exceeds its budget."""
    parser = argparse.ArgumentParser(description="Kill, race and load.")
    for name, default in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="0 leaves it out")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    # Jobs that a script starts in the background ignore it, and so would the runs to be killed.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    figures = []
    with tempfile.TemporaryDirectory(prefix="overlayflow-chaos-") as directory:
        for figure in _measured(Path(directory), asked):
            print(figure, flush=True)
            figures.append(figure)
    results = Results(cores=os.cpu_count() or 0, figures=figures)
    RESULTS.write_text(results.model_dump_json(indent=1))
    print(f"written to {RESULTS}")
    return 0 if all(figure.met for figure in figures) else 1


def _measured(home: Path, asked: argparse.Namespace) -> Iterator[Figure]:
    parts: dict[str, Callable[[Path, int], list[Figure]]] = {
        "packages": many_packages,
        "races": raced_leases,
        "samples": large.measure,
        "points": many_points,
        "kills": partial(kills, chance=random.Random(asked.seed)),  # noqa: S311
    }
    for name, part in parts.items():
        if number := getattr(asked, name):
            yield from part(home / name, number)


def kills(home: Path, rounds: int, chance: random.Random) -> list[Figure]:
    """Kill a process of a run in each of its phases, and see what is left and what comes next.

    Args:
        home: an empty directory.
        rounds: how often.
        chance: decides when in a phase, which process and by which signal.
    """
    env = demo.environment(home)
    run = ["run", *tiny.make(home / "model", SAMPLES, FEATURES), "--json"]
    store = Path(env["OVERLAYFLOW_HOME"]) / "store"
    demo.command(["twin", "start"], env)
    hit, wrong, left, slowest_s = 0, 0, 0, 0.0
    try:
        with demo.server(env) as served:
            _, _, printed = demo.command(run, served)
            expected = _computed(printed)
            subject = Subject(run, served, store)
            lengths = {phase: _length(phase, subject) for phase in PHASES}
            print({phase: f"{seconds:.1f} s" for phase, seconds in lengths.items()}, flush=True)
            for number in range(rounds):
                phase = PHASES[number % len(PHASES)]
                after_s = chance.uniform(0, lengths[phase])
                killed = _kill(subject, phase, after_s, chance)
                hit += killed is not None
                if killed is None:  # the machine has become faster
                    lengths[phase] = after_s
                gone_s = _until_gone(served)
                left += gone_s is None
                slowest_s = max(slowest_s, gone_s or GONE_S)
                right = _next_run(run, served) == expected and _whole(Store(store))
                wrong += not right
                print(
                    f"{number + 1}/{rounds} {phase} + {after_s:.1f} s: "
                    f"{killed or 'the run had ended'}; nothing left after {gone_s} s; "
                    f"next run {'right' if right else 'WRONG'}",
                    flush=True,
                )
    finally:
        demo.command(["twin", "stop"], env)
    return [
        Figure(
            name=f"of {rounds} kills met a run", value=hit, unit="", budget=0.9 * rounds,
            at_least=True,
        ),
        Figure(name=f"wrong runs after {rounds} kills", value=wrong, unit="", budget=0),
        Figure(name="kills that left a process or a lease", value=left, unit="", budget=0),
        Figure(name="until nothing is left, at most", value=slowest_s, unit="s", budget=GONE_S),
    ]  # fmt: skip


def _length(phase: str, subject: Subject) -> float:
    """Return the seconds that a phase of a run takes."""
    with subject.started(phase) as (run, before):
        begun = time.monotonic()
        if phase == "start":
            subject.wait(run, before, "benchmark", there=True)
        elif phase != "end":
            subject.wait(run, before, phase, there=False)
        else:
            run.wait()
        return time.monotonic() - begun


def _kill(subject: Subject, phase: str, after_s: float, chance: random.Random) -> str | None:
    """Kill a process of a run, wait for the run's end, and say what was killed; None if none."""
    with subject.started(phase) as (run, _):
        try:
            run.wait(after_s)
        except subprocess.TimeoutExpired:
            pid, number = chance.choice(processes.tree(run.pid)), chance.choice(SIGNALS)
            name = processes.name(pid)
            try:
                os.kill(pid, number)
            except ProcessLookupError:  # a compiler, for one, ends at any time
                os.kill(run.pid, number)
                name = "the command"
            return f"{number.name} to {name}, exit status {run.wait(ENDED_S)}"
    return None


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
    for pid in processes.pids():
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in variables and url in variables:
            found.append(pid)
    return found


def _next_run(run: list[str], env: Mapping[str, str]) -> object:
    """Return what the next run computes; None if it fails."""
    done = subprocess.run(
        [*demo.OVERLAYFLOW, *run],
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


def many_points(home: Path, points: int) -> list[Figure]:
    """Sweep over many points that do nothing, on a server and a twin of its own."""
    env = demo.environment(home)
    demo.command(["twin", "start"], env)
    try:
        _, _, run = demo.command(demo.RUN, env)
        (home / "run.json").write_text(run)
        return sweep.empty_points(home, {**env, "BENCH_RUN": str(home / "run.json")}, points)
    finally:
        demo.command(["twin", "stop"], env)


def many_packages(home: Path, count: int) -> list[Figure]:
    """List the packages of a large store, as the nightly run does."""
    store = Store(home)
    for number in range(count):
        inputs = {"number": number}
        entry = Entry(step="package", digest=digest("package", inputs))
        store.get_or_build(entry, inputs, Package, partial(_package, entry, number))
    started = time.monotonic()
    found = len(list(registry.packages(Store(home))))
    seconds = time.monotonic() - started
    # Apart, as counting takes longer than listing.
    before = _open_files()
    most = max(_open_files() for _ in registry.packages(Store(home)))
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


if __name__ == "__main__":
    sys.exit(main())
