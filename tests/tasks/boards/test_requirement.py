"""Which boards there are, what they must be, and what they can run."""

import pytest

from tasks.boards.address import BoardAddress
from tasks.boards.requirement import Requirement, takes
from tasks.core.errors import InputError
from tests.tasks import samples


def board(**more: object) -> BoardAddress:
    return BoardAddress.model_validate({"name": "b", "kind": "pynq-z2", "host": "h", **more})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lab-1", None),
        ("kind=pynq-z2", Requirement(kind="pynq-z2")),
        ("kind=pynq-z2,tag=lab", Requirement(kind="pynq-z2", tags=("lab",))),
        ("tag=lab, tag=fast", Requirement(tags=("lab", "fast"))),
    ],
)
def test_a_requirement_is_read(text: str, expected: Requirement | None) -> None:
    assert Requirement.parse(text) == expected


@pytest.mark.parametrize("text", ["kind=", "colour=red", "kind=a,kind=b", "kind=a,lab", "=x"])
def test_what_is_no_requirement_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError) as refused:
        Requirement.parse(text)
    assert "kind=pynq-z2,tag=lab" in refused.value.remedy


def test_a_board_fits_when_kind_and_all_tags_do() -> None:
    mine = board(tags=("lab", "fast"))
    assert Requirement(kind="pynq-z2", tags=("fast",)).fits(mine)
    assert Requirement().fits(mine)
    assert not Requirement(kind="zcu102").fits(mine)
    assert not Requirement(tags=("fast", "home")).fits(mine)


def test_a_board_takes_packages_of_its_part_and_target() -> None:
    twin = board(target="twin")
    assert takes(twin, samples.manifest())
    assert takes(board(), samples.manifest())
    assert not takes(twin, samples.manifest(target="hardware"))
    assert not takes(board(kind="zcu102"), samples.manifest())
