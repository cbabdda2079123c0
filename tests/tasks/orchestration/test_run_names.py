"""Names of runs: what a person gave stays, what Prefect drew is replaced."""

from pathlib import Path
from typing import Any

import pytest
from prefect.runtime import flow_run
from prefect.utilities.names import generate_slug

from flows import deploy
from tasks.core.records.settings import ConvertSettings
from tasks.orchestration import run_names

GIVEN: dict[str, Any] = {
    "model": Path("/models/digits.keras"),
    "board": "twin",
    "toolchain": "auto",
    "conversion": ConvertSettings(words="packed", clock_period_ns=8),
}


def named(monkeypatch: pytest.MonkeyPatch, name: str, **changes: object) -> str:
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__NAME", name)
    monkeypatch.setattr(flow_run, "parameters", GIVEN | changes, raising=False)
    return run_names.given_or(deploy._name)()


def test_a_run_without_a_name_is_called_by_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(monkeypatch, generate_slug(2)) == "digits on twin · packed, 8 ns"
    plain = named(monkeypatch, "amber-falcon", conversion=ConvertSettings(), toolchain="open")
    assert plain == "digits on twin · open"
    for drawn in ("Incredible-Keagle", "gamma-borka", "omega4-ledos-m", "zeta-lorien-conflux"):
        assert named(monkeypatch, drawn).startswith("digits on twin")


def test_a_name_that_was_given_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("before the talk", "before-the-talk", "talk4-final"):
        assert named(monkeypatch, given) == given
