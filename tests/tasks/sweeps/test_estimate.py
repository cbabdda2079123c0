"""Estimates: from the file alone, and near enough to leave out what cannot fit."""

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
    found = estimate(MODEL, ConvertSettings(), "open")
    assert found is not None
    assert 0.5 < found.lut / 9922 < 2  # 9922: as toolchain open built it
    assert found.dsp == 0


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
    assert may_fit(MODEL, ConvertSettings())
    monkeypatch.setattr("tasks.sweeps.estimate.SHELL_LUT", 10**6)
    assert not may_fit(MODEL, ConvertSettings())
    assert may_fit(MODEL, ConvertSettings(core="folded"))
