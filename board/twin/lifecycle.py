"""Starts, checks and stops twins; each has a server process and a directory."""

import asyncio
import contextlib
import fcntl
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from board.kinds import board_kinds

from .environment import MACHINES
from .errors import TwinError, TwinSilentError
from .faults import clear_faults
from .processes import detach, end_group, kill_all, tail
from .record import HOST, TwinDirectory, TwinRecord, TwinSettings

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_START_S = 30.0
_ANSWER_S = 10.0
_STOP_S = 5.0
_POLL_S = 0.05
_ROOT = Path(__file__).parents[2]


def start(
    state_dir: Path,
    name: str,
    *,
    python: Path,
    kind: str = "pynq-z2",
    host: str = HOST,
    port: int = 0,
    password: str | None = None,
    owner: int = 0,
) -> TwinRecord:
    """Start a twin without faults, or return the running one.

    Args:
        state_dir: directory of all twins; the twin's is `state_dir / name`.
        name: lower-case letters, digits and dashes.
        python: the interpreter of the board's Python environment.
        kind: an entry of kinds.toml with a Zynq that the environment's pynq supports.
        host: address to listen on, of this machine or network namespace.
        port: port to listen on; 0 takes a free one.
        password: of the user `xilinx`. Random by default: programs on the twin have the rights of
            whoever started it, and logins use its key.
        owner: pid of a process that the twin ends with, even if that is killed; 0 for none.

    Raises:
        TwinError: it cannot be started, or runs as another kind.
    """
    directory = _directory(state_dir, name)
    _check_kind(kind)
    with _locked(directory):
        running = directory.running()
        if running is not None:
            if running.kind != kind:
                raise TwinError(
                    f"twin {name} runs as {running.kind}, not as {kind}",
                    "stop it first, or give the new one another name",
                )
            return running
        pynq = pynq_of(python)
        _check_pynq(pynq, kind)
        directory.record.unlink(missing_ok=True)
        kill_all(directory.home)  # left by a server that was killed
        clear_faults(state_dir, name)
        secret = password or secrets.token_urlsafe()
        directory.write_settings(
            TwinSettings(name, kind, str(python.absolute()), pynq, host, port, secret)
        )
        return _spawn(directory, owner)


def status(state_dir: Path, name: str) -> TwinRecord | None:
    """Return the record of a twin that answers; None if it does not run.

    Raises:
        TwinSilentError: its process runs, but nobody can log in.
    """
    directory = _directory(state_dir, name)
    record = directory.running()
    if record is not None:
        _check_answer(record)
    return record


def names(state_dir: Path) -> list[str]:
    """Return the names of all twins ever started in `state_dir`, running or not."""
    return sorted(path.parent.name for path in state_dir.glob("*/settings.json"))


def stop(state_dir: Path, name: str) -> bool:
    """Stop a twin and all programs on it; return False if it did not run."""
    directory = _directory(state_dir, name)
    if not directory.root.exists():
        return False
    with _locked(directory):
        record = directory.running()
        if record is not None and not end_group(record.pid, _STOP_S):
            raise TwinError(
                f"twin {name} (pid {record.pid}) did not end, even after SIGKILL",
                "end the process by hand",
            )
        kill_all(directory.home)
        directory.record.unlink(missing_ok=True)
    return record is not None


def _directory(state_dir: Path, name: str) -> TwinDirectory:
    if not _NAME.fullmatch(name):
        raise TwinError(
            f"{name!r} cannot be the name of a twin",
            "use up to 32 lower-case letters, digits and dashes",
        )
    return TwinDirectory(state_dir.absolute() / name)


@contextlib.contextmanager
def _locked(directory: TwinDirectory) -> Iterator[None]:
    directory.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with directory.lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _check_kind(kind: str) -> None:
    kinds = board_kinds()
    emulated = [name for name, each in kinds.items() if each.processing_system in MACHINES]
    if kind not in emulated:
        what = "is not emulated by the twin" if kind in kinds else "is no board kind"
        raise TwinError(f"{kind} {what}", f"use one of {', '.join(emulated)}")


def pynq_of(python: Path) -> str:
    """Return the version of pynq that an interpreter has.

    Raises:
        TwinError: it has none.
    """
    command = [str(python), "-I", "-c", "import importlib.metadata as m; print(m.version('pynq'))"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise TwinError(
            f"the twin's Python environment is missing: {python} is not a Python with pynq",
            "run `make board-env`, or `make board-envs` for all versions of pynq; `overlayflow "
            "doctor` says where",
        ) from error
    return done.stdout.strip()


def _check_pynq(version: str, kind: str) -> None:
    made = board_kinds()[kind].pynq
    if version not in made:
        raise TwinError(
            f"pynq {version} does not support {kind}, which runs {', '.join(made)}",
            f"run `make board-envs`, then start it with --pynq {made[-1]}",
        )


def _spawn(directory: TwinDirectory, owner: int) -> TwinRecord:
    """Start the server process and wait until it listens."""
    # -P: a file in the clone, where people work, must not shadow a module.
    command = [sys.executable, "-P", "-m", "board.twin.server", "--state", str(directory.root)]
    command += ["--owner", str(owner)]
    server = detach(command, directory.log, _ROOT)
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        record = directory.read_record()
        if record is not None and record.pid == server.pid:
            return record
        if server.poll() is not None:
            raise TwinError(
                f"the twin's server ended with status {server.returncode}:\n{tail(directory.log)}",
                f"see {directory.log}",
            )
        time.sleep(_POLL_S)
    server.kill()
    raise TwinError(f"the twin did not listen within {_START_S:.0f} s", f"see {directory.log}")


def _check_answer(record: TwinRecord) -> None:
    """Log in with the twin's key, and check the host key of the record."""
    import asyncssh

    async def log_in() -> None:
        known = asyncssh.import_known_hosts(f"[{record.host}]:{record.port} {record.host_key}\n")
        async with asyncssh.connect(
            record.host,
            record.port,
            username=record.user,
            known_hosts=known,
            client_keys=[record.client_key],
            config=None,
        ):
            pass

    try:
        with ThreadPoolExecutor(1) as thread:  # in a notebook, this one has a loop that runs
            thread.submit(asyncio.run, asyncio.wait_for(log_in(), _ANSWER_S)).result()
    except (OSError, TimeoutError, asyncssh.Error) as error:
        raise TwinSilentError(
            f"twin {record.name} runs (pid {record.pid}) but does not answer: {error}",
            f"see {record.log}; stop and start it",
        ) from error
