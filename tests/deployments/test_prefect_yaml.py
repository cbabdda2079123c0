"""What the UI shows changes on purpose only: every form is written down in forms.txt.

`python -m tests.deployments.test_prefect_yaml` writes it anew.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from deployments.apply import POOLS
from deployments.forms import TITLES, amended

ROOT = Path(__file__).resolve().parents[2]
FORMS = Path(__file__).with_name("forms.txt")
SPEC = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: dict[str, dict[str, Any]] = {each["name"]: each for each in SPEC["deployments"]}
# Started by a sweep only: nobody fills in its form.
FILLED_IN = [name for name in DEPLOYMENTS if name != "sweep-point"]

Form = dict[str, Any]


def flow_of(name: str) -> Flow[..., Any]:
    return load_flow_from_entrypoint(str(ROOT / DEPLOYMENTS[name]["entrypoint"]))


def forms(name: str) -> dict[str, Form]:
    """JSON schema of a deployment's form, and those of the groups in it, by name."""
    schema = parameter_schema(flow_of(name)).model_dump_for_openapi()
    return {name: schema, **schema.get("definitions", {})}


def group(field: dict[str, Any]) -> str:
    """Name of the group that a field stands for, or empty."""
    links = [field, *field.get("allOf", ())]
    return "".join(each["$ref"].rpartition("/")[2] for each in links if "$ref" in each)


def lines_of(form: Form, presets: dict[str, Any]) -> Iterator[str]:
    for key, field in form.get("properties", {}).items():
        kind = "|".join(map(str, field.get("enum", ()))) or field.get("type") or group(field)
        default = "asked for" if key in form.get("required", ()) else field.get("default")
        if group(field) and isinstance(default, dict):
            default = {name: value for name, value in default.items() if name == "baseline"}
        if key in presets:
            default = presets[key]
        yield f"  {key} ({kind}): {json.dumps(default)}: {field.get('description', '')}"


def rendered() -> str:
    """All deployments as text: how they start, then their forms; groups of fields once."""
    lines: list[str] = []
    groups: dict[str, Form] = {}
    for name, spec in DEPLOYMENTS.items():
        lines += [f"{name}: {spec['entrypoint']} on {spec['work_pool']['name']}"]
        lines += [
            f"  schedule {each['slug']}: {each['cron']}" for each in spec.get("schedules", ())
        ]
        lines += [f"  on {', '.join(each['expect'])}" for each in spec.get("triggers", ())]
        if name not in FILLED_IN:
            continue
        (_, top), *inner = forms(name).items()
        lines += lines_of(top, spec.get("parameters", {}))
        groups.update(inner)
    for name, form in sorted(groups.items()):
        lines += [f"{name}: {form.get('description', '')}", *lines_of(form, {})]
    return "\n".join(lines) + "\n"


def test_the_forms_are_as_written_down() -> None:
    assert rendered() == FORMS.read_text()


def test_every_deployment_is_there_once() -> None:
    assert len(DEPLOYMENTS) == len(SPEC["deployments"])


@pytest.mark.parametrize("name", FILLED_IN)
def test_every_field_of_a_form_says_what_it_is_for(name: str) -> None:
    silent = [
        f"{title}.{key}"
        for title, form in forms(name).items()
        for key, field in form.get("properties", {}).items()
        if not (field.get("description") or group(field))
    ]
    assert not silent


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_can_be_found_and_worked_on(name: str) -> None:
    spec = DEPLOYMENTS[name]
    assert spec["work_pool"]["name"] in POOLS
    assert spec["description"].strip()
    assert "overlayflow" in spec["tags"]
    assert all(each["slug"] for each in spec.get("schedules", ()))  # so that edits change it


@pytest.mark.parametrize("name", FILLED_IN)
def test_preset_parameters_are_valid(name: str) -> None:
    flow = flow_of(name)
    schema = parameter_schema(flow)
    preset = DEPLOYMENTS[name].get("parameters", {})
    missing = set(schema.required) - set(preset)
    flow.validate_parameters(preset | dict.fromkeys(missing, "file"))
    # A schedule has nobody to fill in a form.
    assert not (missing and DEPLOYMENTS[name].get("schedules"))


if __name__ == "__main__":
    FORMS.write_text(rendered())


def test_forms_have_titles_for_people_and_offer_the_boards_that_are_known() -> None:
    form = amended(forms("deploy-model")["deploy-model"], ["lab-1", "twin"])
    fields = sorted(form["properties"].values(), key=lambda each: each["position"])
    titles = [each["title"] for each in fields]
    assert titles == [
        *("Model file", "Test data", "Board", "Toolchain", "Conversion", "Advanced"),
    ]
    board = form["properties"]["board"]
    assert board["anyOf"][0]["enum"] == ["lab-1", "twin"]
    assert board["anyOf"][1]["type"] == "string"  # a requirement goes, too
    assert amended(form, ["lab-1", "twin"]) == form  # amending it again changes nothing


@pytest.mark.parametrize("name", FILLED_IN)
def test_every_group_of_a_form_has_an_example_but_the_advanced_ones(name: str) -> None:
    silent = [
        f"{title}.{key}"
        for title, form in forms(name).items()
        for key, field in form.get("properties", {}).items()
        if group(field) and key != "advanced" and "Example: " not in field.get("description", "")
    ]
    assert not silent


@pytest.mark.parametrize("name", FILLED_IN)
def test_every_field_of_a_form_has_a_title(name: str) -> None:
    form = amended(forms(name)[name], [])
    assert set(form["properties"]) <= set(TITLES)


def test_settings_have_titles_with_units() -> None:
    titles = {
        name: each["title"]
        for name, each in forms("deploy-model")["ConvertSettings"]["properties"].items()
    }
    assert titles["clock_period_ns"] == "Clock period (ns)"
    assert titles["reuse_factor"] == "Reuse factor"
    assert titles["io_type"] == "I/O type"
