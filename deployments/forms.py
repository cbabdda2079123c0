"""What people see in the forms of the deployments: titles, order, and boards to choose.

Prefect makes a form of a flow's signature and docstring, titles each field by its parameter's name,
and knows nothing of boards. So the server's forms are amended after each registration, and whenever
a board is added or removed.
"""

from collections.abc import Iterable
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate

from tasks.orchestration import board_block

# In the order of the form; what most runs leave alone comes last.
TITLES = {
    "package": "Package",
    "sweep": "Sweep file",
    "model": "Model file",
    "data": "Test data",
    "axes": "Axes",
    "name": "Name of the sweep",
    "board": "Board",
    "boards": "Boards",
    "projects": "Projects",
    "toolchain": "Toolchain",
    "conversion": "Conversion",
    "older_than_days": "Remove what is older than (days)",
    "keep_gb": "Keep at most (GB)",
    "advanced": "Advanced",
}


def refresh(twins: Iterable[str] = ()) -> None:
    """Amend the forms of all deployments of the server.

    Args:
        twins: names of twins that are about to start.
    """
    boards = sorted({*twins, *(each.name for each in board_block.addresses())})
    with get_client(sync_client=True) as client:
        for each in client.read_deployments():
            schema = amended(each.parameter_openapi_schema or {}, boards)
            client.update_deployment(each.id, DeploymentUpdate(parameter_openapi_schema=schema))


def amended(schema: dict[str, Any], boards: list[str]) -> dict[str, Any]:
    """Return a form with titles, order and the boards that are known."""
    places = list(TITLES)
    fields = {
        name: _amended(name, field, boards)
        | ({"position": places.index(name)} if name in TITLES else {})
        for name, field in schema.get("properties", {}).items()
    }
    return {**schema, "properties": fields}


def _amended(name: str, field: dict[str, Any], boards: list[str]) -> dict[str, Any]:
    made = {**field, "title": TITLES.get(name, field.get("title", name))}
    if name == "board" and boards:
        made.pop("type", None)
        made["anyOf"] = [
            {"title": "A known board", "type": "string", "enum": boards},
            {"title": "A name or a requirement", "type": "string"},
        ]
    return made
