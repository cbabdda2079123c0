"""Remove secrets from text before it is stored, shown or quoted.

Secrets are recognised by their form (tokens of well-known services, private keys, addresses with a
password) or by their name (`..._TOKEN=`, `password:`, `--api-key`). v++ dumps the environment into
its logs; there, every value is masked unless its name is known to be harmless.

A licence server (`2100@host`) is kept: by itself it gives no access, and a licence failure makes
no sense without it. Signatures of a licence file are masked.
"""

import re
from pathlib import Path

MASK = "***"

_WORDS = (
    r"tokens?|passw(?:or)?d|sshpass|passphrase|pwd|secrets?|credentials?|cookie|authorization|auth[_-]string"
    r"|(?:api|access|private|secret|signing|encryption)[_-]?key(?:[_-]id)?"
)
# These words match alone, or as part of a name separated by _ - or . (SSH_PASSWORD, api-key).
# Repetitions are bounded so that matching takes linear time.
_NAME = (
    r"(?!(?:OLD)?PWD\b)"  # directories
    rf"(?:[\w.-]{{0,80}}[_.-])?(?:{_WORDS}|\w{{0,40}}(?:password|secret|token))(?:[_.-][\w.-]{{0,80}})?"
)
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|\{[^}\n]*\}|[^\s,;&|)\]}\"']+)"
_ASSIGNS = r"[ \t]*(?:(?:export|set|declare -x)[ \t]+)?"

_PATTERNS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    "address with a password": r"(?P<kept>\b[a-z][a-z0-9+.-]{1,20}://)[^\s/'\"<>]+(?=@)",
    "key of AWS": r"\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b",
    "token by its prefix": r"\b(?:gh[oprsu]_|github_pat_|glpat-|hf_|pn[bu]_|npm_|xox[abeprs]-|pypi-"
    r"|sk-|AIza)[\w-]{16,}",
    "JSON web token": r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    "header": r"(?P<kept>\bauthorization[\"']?\s*[:=]\s*[\"']?)"
    r"(?:(?:basic|bearer|token)\s+)?[^\s\"']+",
    "bearer": r"(?P<kept>\bbearer\s+)[\w.~+/=-]{16,}",
    "line of a licence file": r"(?P<kept>\b(?:SIGN2?|CK)=)(?:\"[0-9A-F \n]{12,}\"|[0-9A-F]{12,})",
    # On a line of its own, a value may contain spaces.
    "variable": rf"(?P<kept>^{_ASSIGNS}{_NAME}=)[^\n]+$",
    "named value": rf"(?P<kept>(?<![\w.-]){_NAME}[\"']?[ \t]*(?:=>?|:=?)[ \t]*)(?!//){_VALUE}",
    "option": rf"(?P<kept>(?<![\w.-])--?{_NAME}[ \t]+)(?!-){_VALUE}",
    "variable of Tcl": r"(?P<kept>\b(?:setenv|set)[ \t]+(?:::)?(?:env\()?"
    rf"{_NAME}\)?[ \t]+){_VALUE}",
}
_RULES = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE | re.DOTALL) for pattern in _PATTERNS.values()
)

_VARIABLE = re.compile(rf"^(?P<kept>{_ASSIGNS}(?P<name>[A-Za-z_]\w*)=).*$", re.MULTILINE)
_DUMP = re.compile(rf"(?:^{_ASSIGNS}[A-Za-z_]\w*=.*(?:\n|\Z)){{5,}}", re.MULTILINE)
_IS_ENVIRONMENT = re.compile(rf"^{_ASSIGNS}PATH=", re.MULTILINE)
_HARMLESS = re.compile(
    r"PATH|HOME|PWD|OLDPWD|SHELL|SHLVL|TERM|TMPDIR|TEMP|TMP|USER|LOGNAME|DISPLAY|HOSTNAME|HOSTTYPE"
    r"|OS|OSTYPE|MACHTYPE|LANG|LANGUAGE|LC_\w+|LD_LIBRARY_PATH|LD_PRELOAD|LIBRARY_PATH|PYTHONPATH"
    r"|VIRTUAL_ENV|(?:XILINX|HDI|RDI|ISL|HLS|VIVADO|VITIS|MYVIVADO|PLATFORM_REPO|OMP|TCL|TK)\w*"
    r"|LM_LICENSE_FILE|XILINXD_LICENSE_FILE"
)


def redact(text: str) -> str:
    """Return text with each secret replaced by `***`."""
    text = _DUMP.sub(_redact_dump, text)
    for rule in _RULES:
        text = rule.sub(_mask, text)
    return text


def redact_file(path: Path) -> None:
    """Redact a log that is no longer written to; a log without secrets is not touched."""
    text = path.read_text(encoding="utf-8", errors="replace")
    redacted = redact(text)
    if redacted != text:
        path.write_text(redacted, encoding="utf-8")


def _mask(found: re.Match[str]) -> str:
    return found.groupdict().get("kept", "") + MASK


def _redact_dump(dump: re.Match[str]) -> str:
    if not _IS_ENVIRONMENT.search(dump[0]):
        return dump[0]
    return _VARIABLE.sub(_redact_variable, dump[0])


def _redact_variable(variable: re.Match[str]) -> str:
    return variable[0] if _HARMLESS.fullmatch(variable["name"]) else _mask(variable)
