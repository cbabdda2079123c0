"""Commands and shells of an SSH session, each a process group that goes with its channel."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import asyncssh

Process = asyncssh.SSHServerProcess[bytes]

_log = logging.getLogger(__name__)

# A board's sshd takes these from the client and no others.
_ACCEPTED = ("LANG", "LC_")
_HANGUP_GRACE_S = 2.0

# A session leader that opens a terminal gets it as its controlling one.
_ON_TERMINAL = ("/bin/sh", "-c", 'terminal=$0; exec <"$terminal" >"$terminal" 2>&1; exec "$@"')


class Sessions:
    """Runs the commands of all connections.

    Args:
        shell: what runs a command line, with `-c`, and alone for an interactive session.
        environment: of every process.
        home: where every process starts.
    """

    def __init__(self, shell: str, environment: Mapping[str, str], home: str) -> None:
        self._shell = shell
        self._environment = environment
        self._home = home
        self._running: set[asyncio.Task[None]] = set()

    async def handle(self, process: Process) -> None:
        """Run what a client asked for: asyncssh's process factory."""
        task = asyncio.create_task(self._serve(process))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await task

    async def end(self) -> None:
        """Wait until no session has a process; their connections are closed already."""
        if self._running:
            await asyncio.wait(self._running)

    async def _serve(self, process: Process) -> None:
        _log.info("%s: %s", _peer(process), process.command or "shell")
        arguments = [self._shell, *(["-c", process.command] if process.command else [])]
        if process.term_type is None:
            child = await self._on_pipes(process, arguments)
        else:
            child = await self._on_terminal(process, arguments)
        # A negative pid is a process group, for os.kill as for the system call.
        process.set_redirect_pid(-child.pid)
        closed = asyncio.create_task(process.wait_closed())
        exited = asyncio.create_task(_output_sent(process, child))
        await asyncio.wait({closed, exited}, return_when=asyncio.FIRST_COMPLETED)
        process.set_redirect_pid(None)
        if closed.done():
            exited.cancel()
            await _hang_up(child)
        else:
            _report(process, child.returncode)
            await closed

    async def _on_pipes(
        self, process: Process, arguments: Sequence[str]
    ) -> asyncio.subprocess.Process:
        stdin, to_stdin = os.pipe()
        from_stdout, stdout = os.pipe()
        from_stderr, stderr = os.pipe()
        child = await self._start(process, arguments, stdin=stdin, stdout=stdout, stderr=stderr)
        # The channel's end of file waits for both outputs: either may end first.
        await process.redirect(
            stdin=to_stdin, stdout=from_stdout, stderr=from_stderr, send_eof=False
        )
        return child

    async def _on_terminal(
        self, process: Process, arguments: Sequence[str]
    ) -> asyncio.subprocess.Process:
        controller, terminal = os.openpty()
        arguments = [*_ON_TERMINAL, os.ttyname(terminal), *arguments]
        child = await self._start(
            process, arguments, stdin=terminal, stdout=os.dup(terminal), stderr=os.dup(terminal)
        )
        await process.redirect(stdin=os.dup(controller), stdout=controller, send_eof=False)
        return child

    async def _start(
        self, process: Process, arguments: Sequence[str], *, stdin: int, stdout: int, stderr: int
    ) -> asyncio.subprocess.Process:
        """Start a process on its ends of the streams, and close them here."""
        environment = dict(self._environment)
        environment |= {k: v for k, v in process.env.items() if k.startswith(_ACCEPTED)}
        if process.term_type is not None:
            environment["TERM"] = process.term_type
        try:
            return await asyncio.create_subprocess_exec(
                *arguments,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd=self._home,
                start_new_session=True,
            )
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)


async def _output_sent(process: Process, child: asyncio.subprocess.Process) -> None:
    """Wait until the child has ended, everybody has closed its outputs, and all of it is sent."""
    await child.wait()
    await process.stdout.drain()
    await process.stderr.drain()


def _report(process: Process, returncode: int | None) -> None:
    if returncode is None:
        return
    if returncode >= 0:
        process.exit(returncode)
    else:
        process.exit_with_signal(signal.Signals(-returncode).name.removeprefix("SIG"))


async def _hang_up(child: asyncio.subprocess.Process) -> None:
    """End what is left of the child's process group."""
    for number in (signal.SIGHUP, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
            if number == signal.SIGHUP:
                await _gone(child.pid)
    await child.wait()


async def _gone(group: int) -> None:
    deadline = asyncio.get_running_loop().time() + _HANGUP_GRACE_S
    while asyncio.get_running_loop().time() < deadline:
        os.killpg(group, 0)  # raises ProcessLookupError once nobody is left
        await asyncio.sleep(0.02)


def _peer(process: Process) -> Any:
    return process.get_extra_info("peername")
