"""overlayflow up, down, apply: run and set up a team's Prefect server."""

import os
from argparse import ArgumentParser, Namespace, _SubParsersAction

from deployments.cli.output import add_output, print_json, whole


def add(commands: "_SubParsersAction[ArgumentParser]") -> None:
    """Add the arguments of the three commands."""
    up = commands.add_parser(
        "up",
        help="start server, workers and twin, and register all deployments",
        description="Starts a Prefect server, workers and the twin on this machine, unless they "
        "are running, and registers deployments, work pools and automations. Everything listens "
        "on 127.0.0.1 only; runs and schedules survive a restart.",
    )
    up.add_argument(
        "--port",
        type=whole(1, 65535),
        help="port of the server (default: 4200, or a free one if it is taken)",
    )
    up.add_argument(
        "--mlflow",
        action="store_true",
        help="also start an MLflow server, and log every run and sweep to it (make mlflow-env)",
    )
    up.set_defaults(run=run_up)
    apply = commands.add_parser(
        "apply",
        help="register deployments, pools and automations with a Prefect server",
        description="Brings the server of PREFECT_API_URL to the state described by prefect.yaml "
        "and deployments/. Can be repeated at any time.",
    )
    apply.set_defaults(run=run_apply)
    for parser in (up, apply):
        parser.add_argument(
            "--notify", metavar="TYPE/NAME",
            help="Prefect notification block for failed and regressed runs, e.g. "
            "slack-webhook/team (default: leave notifications unchanged)",
        )  # fmt: skip
    down = commands.add_parser(
        "down",
        help="stop what `up` started",
        description="Stops the workers, the server and the twin that `up` started. Runs in "
        "progress are marked as crashed; their finished steps are kept.",
    )
    down.set_defaults(run=run_down)
    for parser in (up, apply, down):
        add_output(parser)


def run_up(arguments: Namespace) -> int:
    """Start whatever is not running, register everything and print the URL."""
    from deployments import machine

    with machine.locked():
        found = machine.running() is not None
        settled = machine.start_server(arguments.port)
        if arguments.mlflow:
            settled = machine.start_mlflow(settled)
        os.environ.update(machine.environment(settled.port))
        from deployments.apply import apply

        applied = apply(arguments.notify, [machine.TWIN])
        machine.start_workers(settled)
        machine.start_twin(settled)
    if arguments.json:
        addresses = {"address": settled.address, "mlflow": machine.mlflow_address()}
        print_json({**addresses, "deployments": applied.deployments})
    else:
        print(f"overlayflow {'is already running' if found else 'is up'}: {settled.address}")
        print(f"password:    the page asks for it; it is in {machine.password_file()}")
        print(f"deployments: {', '.join(applied.deployments)}")
        if machine.mlflow_address():
            print(f"MLflow:      {machine.mlflow_address()}")
        print(f"start a run: {settled.address}/deployments, or overlayflow run")
        print(f"logs:        {machine.state_directory()}; stop it with: overlayflow down")
    return 0


def run_apply(arguments: Namespace) -> int:
    """Register everything with the server named by Prefect's settings."""
    from deployments.apply import apply

    applied = apply(arguments.notify)
    if arguments.json:
        print_json(applied)
    else:
        for kind in ("pools", "limits", "automations", "deployments"):
            print(f"{kind}: {', '.join(getattr(applied, kind))}")
    return 0


def run_down(arguments: Namespace) -> int:
    """Stop workers, end their runs, stop the server."""
    from deployments import machine

    with machine.locked():
        stopped = machine.stop_workers()
        settled = machine.running()
        if stopped and settled is not None:
            os.environ.update(machine.environment(settled.port))
            from deployments.unfinished import crash_unfinished

            crash_unfinished(list(machine.pools()))
        stopped += machine.stop_server()
    if arguments.json:
        print_json({"stopped": stopped})
    else:
        print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    return 0
