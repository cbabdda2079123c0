"""What differs in the tools' texts from version to version, as real logs and reports show it."""

from datetime import UTC, datetime

# Each by the first version that has it, of those that were read.
SHARED_DATA = "2023.1"
SESSION = "2024.2"
LOWER_CASE = "2023.1"
EXECUTING_COMMAND = "2024.1"
GENERATED = "2020.2"
FAILED_RUNS_ARE_ERRORS = "2024.1"
PROHIBITED = "2021.1"


def about(tool: str, version: str) -> str:
    """What `-version` prints."""
    name = tool[0].lower() + tool[1:] if version >= LOWER_CASE else tool
    return "\n".join([f"{name} v{version} (64-bit)", *_builds(version), ""])


def banner(tool: str, version: str) -> str:
    """What a session begins with."""
    lines = [*_builds(version)]
    if version >= SESSION:
        lines.append(f"Start of session at: {datetime.now(UTC):%a %b %d %H:%M:%S %Y}")
    head = f"\n****** {tool} v{version} (64-bit)"
    return "\n".join([head, *(f"  **** {line}" for line in lines), "    ** no copyright", "", ""])


def executing(version: str, command: str) -> str:
    """What a run says before each report."""
    head = (
        "Vivado 12-24828] Executing command"
        if version >= EXECUTING_COMMAND
        else "runtcl-4] Executing"
    )
    return f"INFO: [{head} : {command}"


def _builds(version: str) -> list[str]:
    parts = ["SW", "IP", *(["SharedData"] if version >= SHARED_DATA else [])]
    return [f"{part} Build 0 on a replay: nothing is synthesized" for part in parts]
