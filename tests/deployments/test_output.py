"""What all commands read and print alike."""

import json
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from deployments.cli.output import duration, print_json
from tasks.core.records.base import Entry


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("2w", 1209600)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "90", "2 weeks", "-1h", "nan d", "nand", "31d", "1e9w"])
def test_what_is_no_duration_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="use 90s, 30m, 2h, 1d or 2w, at most 30d"):
        duration(text)


def test_fields_are_printed_as_one_record(capsys: pytest.CaptureFixture[str]) -> None:
    entry = Entry(step="convert", digest="a" * 64)
    print_json({"file": Path("/a b"), "entries": (entry,), "share": float("nan")})
    assert json.loads(capsys.readouterr().out) == {
        "schema_version": 1,
        "file": "/a b",
        "entries": [{"schema_version": 1, "step": "convert", "digest": "a" * 64}],
        "share": None,
    }
