"""Finds the last session in a tool's log, to which sessions are appended, and whether it ended."""

import re
from typing import NamedTuple


class _Banner(NamedTuple):
    """The lines with which a tool begins and ends a session in its log.

    Attributes:
        begins: matches at the start of a line.
        closing: matches the line that only a killed tool omits, within the end of the log if nested
            tools print it, too; None if there is no such line.
        appended: whether each such banner begins a session. A nested tool prints its banner into
            the log of the tool that started it, which does not begin a session.
    """

    begins: re.Pattern[str]
    closing: re.Pattern[str] | None
    appended: bool = True


def _banner(begins: str, closing: str | None, *, appended: bool = True) -> _Banner:
    return _Banner(
        re.compile(f"^{begins}", re.MULTILINE), re.compile(closing) if closing else None, appended
    )


# A nested Vivado closes its own session in the middle of a log. The copies of logs in the cache of
# IPs end with the checkpoint.
_VIVADO_CLOSING = (
    r"Exiting Vivado at(?=[\s\S]{0,2000}\Z)"
    r"|\[Common 17-1381\] The checkpoint '.*' has been generated\.\s*\Z"
)
_HLS_CLOSING = r"Exiting vitis_hls at|\[HLS 200-112\] Total|\[vitis-run 60-(?:791|1662)\]"
_BANNERS = (
    _banner(r"\*\*\* Running \w+$", _VIVADO_CLOSING),
    _banner(r"#-{20,}\n# Vivado v", _VIVADO_CLOSING),
    _banner(r"\*{6} Vivado v", _VIVADO_CLOSING, appended=False),
    _banner(r"\*{6} Vivado\(TM\) HLS", r"Exiting vivado_hls at"),
    _banner(r"\*{6} Vitis HLS", _HLS_CLOSING),
    # Since 2024 vitis-run starts HLS; since 2025 HLS has no banner of its own in its log.
    _banner(r"\*{6} vitis-run v", _HLS_CLOSING),
    _banner(r" *\*{4} HLS Build v", _HLS_CLOSING),
    _banner(r"INFO: \[vitis-run 82-31\]", _HLS_CLOSING),
    # The logs of a solution and of the flow below it, which HLS appends to at every start.
    _banner(r"={20,}\n(?:File generated on .*\n)?(?:Vivado\(TM\)|Vitis) HLS", None),
    _banner(r"INFO-FLOW: Workspace \S+ opened at", None),
    _banner(r"\*{6} v\+\+ v", r"\[v\+\+ 60-(?:1653|791)\]", appended=False),
)
# Wrappers may print a few lines before the tool's banner.
_HEAD_CHARACTERS = 4000


class Session:
    """The last session of a log.

    Attributes:
        lines: of the session.
        first_line: number in the log, from 1.
    """

    def __init__(self, log: str) -> None:
        self._banner = _first_banner(log)
        start = 0
        if self._banner and self._banner.appended:
            *_, last = self._banner.begins.finditer(log)
            first = self._banner.begins.search(log)
            # Lines before the first banner belong to the first session.
            start = last.start() if first and last.start() != first.start() else 0
        self._text = log[start:]
        self.first_line = log.count("\n", 0, start) + 1
        self.lines = self._text.split("\n")

    @property
    def last_line(self) -> int:
        """Return the index of the last non-blank line."""
        return max((index for index, line in enumerate(self.lines) if line.strip()), default=-1)

    @property
    def is_truncated(self) -> bool:
        """Return whether the tool should have closed this log but did not."""
        closing = self._banner.closing if self._banner else None
        return closing is not None and not closing.search(self._text)


def _first_banner(log: str) -> _Banner | None:
    head = log[:_HEAD_CHARACTERS]
    found = [
        (match.start(), banner) for banner in _BANNERS if (match := banner.begins.search(head))
    ]
    return min(found, key=lambda each: each[0])[1] if found else None
