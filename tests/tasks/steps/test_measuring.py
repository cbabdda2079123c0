"""Results of a measurement are there for the steps after it, whichever machine runs them."""

from pathlib import Path

import pytest

from tasks.core.errors import StoreError
from tasks.core.records.base import Entry
from tasks.core.records.measurement import Measurement
from tasks.steps.measuring import at_hand
from tasks.store.store import Store, digest
from tests.tasks import samples


def measured(store: Store) -> Measurement:
    inputs = {"run": "one"}
    entry = Entry(step="benchmark", digest=digest("benchmark", inputs))

    def build(out: Path) -> Measurement:
        (out / "y_hw.npy").write_bytes(b"outputs")
        return samples.measurement(entry=entry, directory=str(out))

    return at_hand(store, store.get_or_build(entry, inputs, Measurement, build))


def test_another_machine_has_the_outputs_at_hand(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/shared"
    here = measured(Store(url, tmp_path / "boards"))
    there = at_hand(Store(url, tmp_path / "builders"), here)
    assert Path(here.directory).is_relative_to(tmp_path / "boards")
    assert Path(there.directory).is_relative_to(tmp_path / "builders")
    assert (Path(there.directory) / "y_hw.npy").read_bytes() == b"outputs"


def test_a_measurement_without_its_results_is_an_error(tmp_path: Path) -> None:
    here = measured(Store(tmp_path / "one"))
    with pytest.raises(StoreError, match="run the benchmark step again"):
        at_hand(Store(tmp_path / "other"), here)
