"""Which packages of the store are measured again, and on which boards."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.boards.address import BoardAddress
from tasks.core.records.base import Entry
from tasks.core.records.package import Package
from tasks.steps import registry
from tasks.store.store import Store, digest
from tests.tasks import samples


def keep(store: Store, number: int) -> Package:
    inputs = {"number": number}
    entry = Entry(step="package", digest=digest("package", inputs))
    found = samples.measurement().deployment.package
    package = found.model_copy(update={"entry": entry, "digest": f"{number:064x}"})

    def build(files: Path) -> Package:
        (files / "package.tar.gz").touch()
        return package

    return store.get_or_build(entry, inputs, Package, build)


@pytest.fixture
def few_files() -> Iterator[None]:
    """No more open files than this process has, and twenty."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_only_packages_that_have_passed_are_measured_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    packages = [keep(store, number) for number in range(3)]
    board = BoardAddress(name="twin", kind="pynq-z2", host="127.0.0.1", target="twin")
    passed = {packages[1].digest, "f" * 64}
    assert list(registry.pairs(store, [board], (), passed)) == [(packages[1], "twin")]


@pytest.mark.usefixtures("few_files")
def test_a_registry_of_many_packages_needs_few_open_files(tmp_path: Path) -> None:
    for number in range(50):
        keep(Store(tmp_path), number)
    assert len(list(registry.packages(Store(tmp_path)))) == 50
