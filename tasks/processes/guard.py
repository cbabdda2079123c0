"""Runs one tool, and ends its whole tree as soon as nobody waits for it any more.

process.py starts it as `python -S -I guard.py <lifeline> <grace> <command>...`. The lifeline is
a socket whose other end lives only in the process that wants the tool: end of file means that it
has closed its end or is gone, even by kill -9. The guard adopts every descendant whose parent
dies, so that none escapes by a process group or session of its own. It answers one line on the
lifeline: `<exit status> <peak resident bytes>`, the status as in subprocess (minus the signal's
number), or `missing <errno>` when the command could not be started.

It imports nothing of ours and starts in some 30 ms.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LONGEST_PAUSE_S = 0.5
# What a tool leaves running when it exits (a `tee` that still flushes) may end by itself first.
_LINGER_S = 0.5
# Only a process in uninterruptible sleep outlives SIGKILL; it is not waited for longer than this.
_KILL_S = 5.0
_ENDED_FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Tree:
    """The tool and all its descendants.

    Attributes:
        returncode: the tool's exit status, None while it runs.
        peak_rss: largest sum of resident sets that was seen, in bytes; a page that processes
            share counts for each of them.
    """

    def __init__(self, tool: int) -> None:
        self._tool = tool
        self.returncode: int | None = None
        self.peak_rss = 0

    def reap(self) -> None:
        """Take the exit status of everything that has ended."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            # Catches what lived too briefly to be sampled.
            self.peak_rss = max(self.peak_rss, usage.ru_maxrss * 1024)
            if pid == self._tool:
                self.returncode = os.waitstatus_to_exitcode(status)

    def sample(self) -> list[int]:
        """Return the processes that are alive, and note their memory."""
        children: dict[int, list[int]] = {}
        resident: dict[int, int] = {}
        for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - no pathlib: start-up
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123 - no pathlib: start-up
                    fields = stat.read().rpartition(b")")[2].split()
            except OSError:  # ended meanwhile
                continue
            state, parent, pages = fields[0], int(fields[1]), int(fields[21])
            children.setdefault(parent, []).append(int(name))
            if state not in b"ZX":
                resident[int(name)] = pages * _PAGE
        tree: list[int] = []
        unseen = [os.getpid()]
        while unseen:
            found = children.get(unseen.pop(), [])
            tree += found
            unseen += found
        alive = [pid for pid in tree if pid in resident]
        self.peak_rss = max(self.peak_rss, sum(resident[pid] for pid in alive))
        return alive

    def stop(self, linger_s: float, grace_s: float) -> None:
        """Wait for the tree to end: by itself, then by SIGTERM, then by SIGKILL."""
        for number, patience_s in (
            (0, linger_s),  # signal 0 does nothing
            (signal.SIGTERM, grace_s),
            (signal.SIGKILL, _KILL_S),
        ):
            deadline = time.monotonic() + patience_s
            signalled: set[int] = set()
            while alive := self.sample():
                # Parents first; also what was started after the first signal.
                for pid in (pid for pid in alive if pid not in signalled):
                    _signal(pid, number)
                signalled.update(alive)
                if time.monotonic() >= deadline:
                    break
                time.sleep(0.01)
                self.reap()
        self.reap()


def _signal(pid: int, number: int) -> None:
    # It has ended meanwhile, or runs as another user.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _start(command: list[str]) -> int:
    """Start the command in its own process group and return its pid; raises OSError."""
    read, write = os.pipe()
    guard = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)  # `kill 0` in a tool's script must not reach the guard
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:
                os._exit(1)
            for number in signal.valid_signals():  # Python ignores some, nohup others
                if signal.getsignal(number) is signal.SIG_IGN:
                    signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
        except OSError as error:
            os.write(write, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(write)
    errno = os.read(read, 16)  # empty: a successful exec closed the other end
    os.close(read)
    if errno:
        raise OSError(int(errno), "")
    return pid


def _wake_on_signals() -> int:
    """Return a file descriptor that becomes readable, with the signals' numbers, on each signal."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *_ENDED_FROM_OUTSIDE):
        signal.signal(number, lambda *_: None)
    return read


def _watch(tree: Tree, lifeline: int, wake: int, parent: int) -> None:
    """Return when the tool has ended, or when nobody wants it any more."""
    poller = select.poll()
    poller.register(lifeline, select.POLLIN)
    poller.register(wake, select.POLLIN)
    pause_s = 0.01
    while tree.returncode is None:
        tree.sample()
        ready = dict(poller.poll(1000 * pause_s))
        received = os.read(wake, 512) if wake in ready else b""
        # A forked copy of the parent may hold the lifeline open: see whether it is still there.
        gone = lifeline in ready or os.getppid() != parent
        tree.reap()
        if gone or any(number in received for number in _ENDED_FROM_OUTSIDE):
            return
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def main() -> None:
    """Guard the command of the argument list."""
    lifeline, grace_s, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    parent = os.getppid()
    os.set_inheritable(lifeline, False)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake = _wake_on_signals()
    try:
        tree = Tree(_start(command))
    except OSError as error:
        answer = f"missing {error.errno}"
    else:
        _watch(tree, lifeline, wake, parent)
        early = tree.returncode is None
        tree.stop(0 if early else _LINGER_S, grace_s)
        returncode = -signal.SIGKILL if tree.returncode is None else tree.returncode
        if early and returncode == 0:
            returncode = -signal.SIGTERM  # a polite tool exits so when it is asked to end
        answer = f"{returncode} {tree.peak_rss}"
    with contextlib.suppress(OSError):  # nobody is left to hear it
        os.write(lifeline, answer.encode())


if __name__ == "__main__":
    main()
