"""Estimates: from the file alone, and near enough to leave out what cannot fit."""

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.records.settings import ConvertSettings
from tasks.sweeps.estimate import estimate, may_fit, signed_digits
from tests.tasks.sweeps.conftest import DIGITS

MODEL = DIGITS / "digits.keras"


@given(st.integers(-(2**40), 2**40))
def test_signed_digits_are_those_of_the_canonical_form(value: int) -> None:
    digits, left = 0, abs(value)
    while left:
        if left % 2:
            digits += 1
            left -= 2 - left % 4
        left //= 2
    assert signed_digits(np.array([value]))[0] == digits


def test_the_digits_example_is_estimated_within_a_factor_of_two() -> None:
    # As toolchain open built it.
    for core, lut, dsp in (("unrolled", 9922, 0), ("folded", 1961, 37), ("auto", 1961, 37)):
        found = estimate(MODEL, ConvertSettings.model_validate({"core": core}), "open")
        assert found is not None
        assert 0.5 < found.lut / lut < 2
        assert found.dsp == dsp


def test_a_longer_interval_takes_fewer_multipliers() -> None:
    # DSPs as toolchain open built them.
    for settings, dsp in (
        (ConvertSettings(core="folded"), 37),
        (ConvertSettings(core="folded", words="packed"), 148),
        (ConvertSettings(core="folded", interval_cycles=512), 5),
        (ConvertSettings(layer_reuse_factor={"hidden": 2048, "logits": 320}), 2),
    ):
        found = estimate(MODEL, settings, "open")
        assert found is not None
        assert found.dsp == dsp


def test_a_convolution_counts_at_each_of_its_places(tmp_path: Path) -> None:
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 6, 6, 2]}},
        {
            "class_name": "Conv2D",
            "config": {"name": "conv", "kernel_size": [3, 3], "strides": [1, 1]},
        },
    ]
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/conv2d/vars/0"] = np.full((3, 3, 2, 4), 0.5)
    with zipfile.ZipFile(tmp_path / "cnn.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        archive.writestr("model.weights.h5", weights.getvalue())
    once = estimate(tmp_path / "cnn.keras", ConvertSettings(core="unrolled"), "open")
    assert once is not None
    # 16 places, each with 68 additions of 18 bits.
    assert once.lut > 16 * 68 * 0.65 * 18


def test_reuse_takes_fewer_multipliers_with_vivado_hls() -> None:
    once = estimate(MODEL, ConvertSettings(), "vivado-hls")
    shared = estimate(MODEL, ConvertSettings(reuse_factor=8, strategy="Resource"), "vivado-hls")
    assert once is not None
    assert shared is not None
    assert shared.lut < once.lut / 2


def test_a_file_that_cannot_be_read_this_way_has_no_estimate(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("model") / "old.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert estimate(path, ConvertSettings(), "open") is None


def test_a_folded_core_is_not_judged_by_the_size_of_an_unrolled_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unrolled = ConvertSettings(core="unrolled")
    assert may_fit(MODEL, unrolled)
    monkeypatch.setattr("tasks.sweeps.estimate.SHELL_LUT", 10**6)
    assert not may_fit(MODEL, unrolled)
    assert may_fit(MODEL, ConvertSettings())
