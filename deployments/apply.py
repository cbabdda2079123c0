"""Brings a Prefect server to the state that this repository describes; again and again.

What YAML cannot say is here and in automations.py; deployments themselves are in prefect.yaml.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments import automations
from tasks.core.errors import ToolError
from tasks.core.records.base import Record
from tasks.orchestration.board_block import QUEUE_PREFIX, Board
from tasks.orchestration.progress import LICENCES

ROOT = Path(__file__).resolve().parents[1]
POOLS = {
    "builders": "Machines with a toolchain: conversion, synthesis, implementation, sweeps.",
    "boards": "Machines that reach the boards: measurements and health checks.",
}
# At first; one that is too high costs no more than a wait for the licence server.
LICENSED_RUNS = 2


class Applied(Record):
    """What the server has now, by name."""

    pools: tuple[str, ...]
    limits: tuple[str, ...]
    automations: tuple[str, ...]
    deployments: tuple[str, ...]


def apply(notify: str | None = None, twins: Sequence[str] = ()) -> Applied:
    """Pools, limits, blocks, automations and deployments on the server of PREFECT_API_URL.

    Args:
        twins: names of twins, which get a queue each; `overlayflow boards add` makes the others'.
        notify: notification block as TYPE/NAME; None leaves notifications as they are.

    Raises:
        InputError: there is no such block.
        ToolError: Prefect refuses a deployment.
    """
    work_pools()
    Board.register_type_and_schema()
    queues(twins)
    named = automations.apply(notify)
    deploy()
    with get_client(sync_client=True) as client:
        registered = sorted(each.name for each in client.read_deployments())
        limits = sorted(
            each.name for each in client.read_global_concurrency_limits(limit=200, offset=0)
        )
    return Applied(
        pools=tuple(POOLS),
        limits=tuple(limits),
        automations=tuple(named),
        deployments=tuple(registered),
    )


def work_pools() -> None:
    """Create the pools that are missing; the limits of those that exist are their owner's."""
    template = ProcessWorker.get_default_base_job_template()
    with get_client(sync_client=True) as client:
        for name, description in POOLS.items():
            try:
                client.read_work_pool(name)
            except ObjectNotFound:
                client.create_work_pool(
                    WorkPoolCreate(
                        name=name,
                        type="process",
                        description=description,
                        base_job_template=template,
                    )
                )


def queues(twins: Sequence[str]) -> None:
    """Limits of how many runs use a thing at a time: twins, and licences of Vivado.

    How many licences there are is for their owner to say; a number that is there stays.
    """
    with get_client(sync_client=True) as client:
        for name in twins:
            client.upsert_global_concurrency_limit_by_name(QUEUE_PREFIX + name, 1)
        try:
            client.read_global_concurrency_limit_by_name(LICENCES)
        except ObjectNotFound:
            client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=LICENCES, limit=LICENSED_RUNS)
            )


def deploy() -> None:
    """Register every deployment of prefect.yaml."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolError(
            _last(done.stdout.splitlines() + done.stderr.splitlines()),
            where="prefect deploy --all",
            remedy=f"run it in {ROOT} to see all it says",
            returncode=done.returncode,
        )


def _last(lines: Iterable[str]) -> str:
    told = [line.strip(" │╭╰─╮╯") for line in lines]
    return "\n".join([line for line in told if line][-5:])
