"""Bring a Prefect server to the state described by this repository; safe to repeat.

Deployments are described in prefect.yaml; what YAML cannot express is here and in automations.py.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import (
    GlobalConcurrencyLimitCreate,
    WorkPoolCreate,
    WorkPoolUpdate,
)
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker

from deployments import automations, forms
from tasks.core.errors import ToolError
from tasks.core.records.base import Record
from tasks.core.settings import project
from tasks.orchestration.board_block import QUEUE_PREFIX, Board
from tasks.orchestration.progress import LICENCES

ROOT = Path(__file__).resolve().parents[1]
POOLS = {
    "builders": "Machines with a toolchain: conversion, synthesis, implementation, sweeps.",
    "boards": "Machines that reach the boards: measurements and health checks.",
}
# Initial value; if it is too high, runs merely wait for the licence server.
LICENSED_RUNS = 2


class Applied(Record):
    """Names of everything that the server has now."""

    pools: tuple[str, ...]
    limits: tuple[str, ...]
    automations: tuple[str, ...]
    deployments: tuple[str, ...]


def apply(notify: str | None = None, twins: Sequence[str] = ()) -> Applied:
    """Create pools, limits, blocks, automations and deployments on the server of PREFECT_API_URL.

    Args:
        twins: names of twins that get a queue; `overlayflow boards add` creates those of boards.
        notify: notification block as TYPE/NAME; None leaves notifications unchanged.

    Raises:
        InputError: the notification block does not exist.
        ToolError: Prefect rejects a deployment.
    """
    work_pools()
    Board.register_type_and_schema()
    queues(twins)
    named = automations.apply(notify)
    deploy()
    forms.refresh(twins)
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
    """Create missing work pools; keep the limits of existing ones, which administrators set."""
    template = _job_template()
    with get_client(sync_client=True) as client:
        for name, description in POOLS.items():
            try:
                client.read_work_pool(name)
                client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))
            except ObjectNotFound:
                client.create_work_pool(
                    WorkPoolCreate(
                        name=name,
                        type="process",
                        description=description,
                        base_job_template=template,
                    )
                )


def _job_template() -> dict[str, Any]:
    """Return Prefect's template without what would let a run choose its command.

    Whoever may start a run must not be able to run a program of their own as the worker's user.
    """
    template = ProcessWorker.get_default_base_job_template()
    for name in ("command", "env", "working_dir"):
        del template["job_configuration"][name], template["variables"]["properties"][name]
    template["variables"]["additionalProperties"] = False
    return template


def queues(twins: Sequence[str]) -> None:
    """Limit how many runs use a twin or a Vivado licence at the same time.

    Administrators choose the number of licences, so an existing limit is not changed.
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
    text = (project() / "prefect.yaml").read_text()
    if project() != ROOT:  # an installed wheel's examples are not where workers run flows
        text = text.replace("examples/", f"{project()}/examples/")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run(
            [
                *(sys.executable, "-P", "-m", "prefect", "--no-prompt"),
                *("deploy", "--all", "--prefect-file", file.name),
            ],
            cwd=ROOT,
            # prefect.yaml names the directory that workers run flows in: this one, wherever the
            # command was typed.
            env=os.environ | {"COLUMNS": "100", "PWD": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ToolError(
            _last(done.stdout.splitlines() + done.stderr.splitlines()),
            where="prefect deploy --all",
            remedy=f"run it in {ROOT} to see its complete output",
            returncode=done.returncode,
        )


def _last(lines: Iterable[str]) -> str:
    told = [line.strip(" │╭╰─╮╯") for line in lines]
    return "\n".join([line for line in told if line][-5:])
