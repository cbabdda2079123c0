import json
import logging
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.conversion.convert import _show, check_settings
from tasks.conversion.names import is_free, project_name
from tasks.core.errors import InputError
from tasks.core.records.settings import ConvertSettings
from tasks.steps import building
from tasks.store.store import Store

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "digits"

NOISE = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795345314.116111    1051 port.cc:153] oneDNN custom operations are on.
Interpreting Sequential
  warn(
  warnings.warn(
"""
TOLD = {
    "WARNING: Invalid ReuseFactor=7": "WARNING: Invalid ReuseFactor=7",
    "Warning:  output type not propagated": "Warning:  output type not propagated",
    "/env/hls4ml/utils/qinterval.py:54: UserWarning: max is not a multiple of delta.": (
        "UserWarning: max is not a multiple of delta."
    ),
}


@pytest.mark.parametrize("line", NOISE.splitlines())
def test_noise_of_the_conversion_stays_in_its_own_log(
    line: str, caplog: pytest.LogCaptureFixture
) -> None:
    _show(line)
    assert not caplog.records


@pytest.mark.parametrize("line", TOLD)
def test_warnings_of_hls4ml_reach_the_log_of_the_run(
    line: str, caplog: pytest.LogCaptureFixture
) -> None:
    _show(line)
    assert caplog.record_tuples == [
        ("tasks.conversion.convert", logging.WARNING, f"hls4ml: {TOLD[line]}")
    ]


def test_an_interval_is_refused_for_a_core_that_has_none() -> None:
    check_settings(ConvertSettings(core="folded", interval_cycles=128))
    with pytest.raises(InputError, match="takes a sample in every clock") as refused:
        check_settings(ConvertSettings(core="unrolled", interval_cycles=128))
    assert "folded" in refused.value.remedy


parts = st.sampled_from(
    [
        "config",
        "2",
        "_t",
        "input",
        "result",
        "layer",
        "model",
        "main",
        "N_",
        "ap_",
        "x",
        "-",
        "ü",
        "xor",
    ]
)


@given(st.lists(parts, min_size=1, max_size=40).map("".join))
def test_every_file_name_gives_a_project_name_that_is_free(stem: str) -> None:
    assert is_free(project_name(Path(f"{stem}.keras")))


def test_a_project_is_not_named_like_a_layer(tmp_path: Path) -> None:
    model = tmp_path / "hidden.keras"
    shutil.copy(DIGITS / "digits.keras", model)
    assert project_name(model) == "model_hidden"
    taken = ("hidden", "model_hidden", "model_hidden_1", "model_hidden_2")
    layers = [{"class_name": "Dense", "config": {"name": name}} for name in taken]
    model = tmp_path / "hidden.json"
    model.write_text(json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
    assert project_name(model) == "model_hidden_3"


@pytest.mark.slow
@pytest.mark.parametrize("which", ["store", "TMPDIR"])
def test_a_place_that_runs_no_programs_is_named_before_the_conversion_starts(
    noexec: Path, tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = noexec if which == "store" else tmp_path
    if which == "TMPDIR":
        monkeypatch.setattr(tempfile, "tempdir", str(noexec))
    recipe = building.convert(DIGITS / "digits.keras", DIGITS / "digits.npz", ConvertSettings())
    with pytest.raises(InputError, match=f"the file system of {noexec}.* is mounted noexec") as no:
        recipe.get(Store(place / "store"))
    assert which.upper() in no.value.remedy
