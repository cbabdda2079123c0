"""A new machine, and a Prefect server that is down."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directory of an overlayflow that has done nothing yet."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(home))
    monkeypatch.delenv("OVERLAYFLOW_STORE", raising=False)
    return home


@pytest.fixture
def no_server(empty_home: Path) -> Iterator[str]:
    """An address where no server answers."""
    assert empty_home.exists()
    url = "http://127.0.0.1:9/api"
    with temporary_settings({PREFECT_API_URL: url}):
        yield url
