"""The real outputs of the tools that lie beside the repository, where they do: see their INDEX.md.

They belong to others and are not part of this repository; tests that need them are skipped
elsewhere.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SHARED = Path(__file__).resolve().parents[5] / "shared"
REALDATA = SHARED / "realdata"
_ROW = re.compile(r"^\| `(?P<path>[^`]+)` \|(?P<tool>[^|]*)\| ?(?P<stated>.*?) ?\|$")


@dataclass(frozen=True)
class Entry:
    """One file, and what the index states of it."""

    path: Path
    tool: str
    stated: str

    def __str__(self) -> str:
        return str(self.path.relative_to(REALDATA))[-90:]

    def value(self, name: str) -> str | None:
        """The value of `name=value`."""
        match = re.search(rf"(?:^|; ){re.escape(name)}=([^;]+)", self.stated)
        return match[1].strip() if match else None

    def number(self, name: str) -> float:
        return float(self.value(name) or "nan")


@cache
def index() -> tuple[Entry, ...]:
    """All files of the index; none where there is no index."""
    if not (REALDATA / "INDEX.md").exists():
        return ()
    entries: list[Entry] = []
    folder = REALDATA
    for line in (REALDATA / "INDEX.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            folder = REALDATA / line.removeprefix("## ").replace("/", "+")
        elif row := _ROW.match(line):
            entries.append(Entry(folder / row["path"], row["tool"].strip(), row["stated"]))
    return tuple(entries)
