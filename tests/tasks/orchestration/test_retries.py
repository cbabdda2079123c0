from typing import Any, cast

import pytest
from prefect.client.schemas.objects import State

from tasks.core.errors import BoardUnreachableError, HostKeyError, LoginError
from tasks.orchestration import retries


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (BoardUnreachableError("the connection was lost"), True),
        (BoardUnreachableError("no such host", transient=False), False),
        (HostKeyError("the host key has changed"), False),
        (LoginError("refused the password"), False),
        (OSError("a defect of ours"), False),
    ],
)
def test_only_failures_that_may_pass_are_tried_again(error: Exception, *, again: bool) -> None:
    failed = State[Any](type="FAILED", data=error)
    assert retries.is_transient(cast("Any", None), cast("Any", None), failed) is again
