"""Remove secrets from text before it is stored, shown or quoted.

Secrets are recognised by their form (tokens of well-known services, private keys, addresses with a
password), by their name (`..._TOKEN=`, `password:`, `--api-key`) or by the command that takes them
(`curl -u`, `sshpass -p`). v++ dumps the environment into its logs; there, every value is masked
unless its name is known to be harmless.

A licence server (`2100@host`) is kept: by itself it gives no access, and a licence failure makes
no sense without it. Signatures of a licence file are masked.
"""

import re
from pathlib import Path

MASK = "***"

_WORDS = (
    r"tokens?|passw(?:or)?d|sshpass|passphrase|pwd|secrets?|credentials?|cookie|authorization|auth[_-]string"
    r"|(?:api|access|private|secret|signing|encryption|licen[cs]e)[_-]?key(?:[_-]id)?"
)
# Too short to match alone: DB_PASS, GITLAB_PAT.
_ENDINGS = r"pass|pw|pat|auth"
# A word matches alone, or as part of a name separated by _ - or . (SSH_PASSWORD, api-key).
# Repetitions are bounded so that matching takes linear time.
_NAME = (
    r"(?!(?:OLD)?PWD\b)"  # directories
    rf"(?:(?:[\w.-]{{0,80}}[_.-])?(?:{_WORDS}|\w{{0,40}}(?:passw(?:or)?d|secret|token))(?:[_.-][\w.-]{{0,80}})?"
    rf"|[\w.-]{{0,80}}[_.-](?:{_ENDINGS}))(?![\w.-])"
)
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|\{[^}\n]*\}|[^\s,;&|)\]}\"']+)"
_ASSIGNS = r"[ \t]*(?:(?:export|set|declare -x)[ \t]+)?"

_PATTERNS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    "private key of PuTTY": r"(?P<kept>^Private-Lines: \d+\n).*?(?=^Private-MAC:|\Z)",
    "address with a password": r"(?P<kept>\b[a-z][a-z0-9+.-]{1,20}://)[^\s/'\"<>]+(?=@)",
    "key of AWS": r"\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b",
    "token by its prefix": r"\b(?:gh[oprsu]_|github_pat_"
    r"|gl(?:pat|dt|ft|rt|soat|ptt|imt|cbt|agent|oas)-|hf_|pn[bu]_|npm_|xox[abeprs]-|xapp-|pypi-|sk-"
    r"|[rs]k_(?:live|test)_|sq0(?:csp|atp)-|AIza|GOCSPX-|dckr_pat_|dop_v1_|shp(?:at|ss)_|glsa_|AGE-SECRET-KEY-1|(?:SG|hv[bs]|ya29)\.)[\w-]{16,}(?:\.[\w-]{16,})?",
    "token of Databricks": r"\bdapi[0-9a-f]{32}\b",
    "token of a Telegram bot": r"\b\d{8,10}:[\w-]{35}\b",
    "webhook": r"(?P<kept>\b(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks"
    r"|[\w-]{1,60}\.webhook\.office\.com/webhookb2)/)[\w/@.-]+",
    "JSON web token": r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
    "header": r"(?P<kept>\bauthorization[\"']?\s*[:=]\s*[\"']?)"
    r"(?:(?:basic|bearer|token)\s+)?[^\s\"']+",
    "login of docker": r"(?P<kept>\"auth\"\s*:\s*)\"[A-Za-z0-9+/=]{8,}\"",
    "signature in an address": r"(?P<kept>[?&](?:x-(?:amz|goog)-)?sig(?:nature)?=)[^&\s\"'<>]+",
    "key in an address": r"(?P<kept>[?&]key=)[^&\s\"'<>]{16,}",
    "connection string": r"(?P<kept>\b(?:Account|SharedAccess)(?:Key|Signature)=)[^;\s\"']+",
    "user of curl": r"(?P<kept>\bcurl\b[^\n]{0,200}?\s(?:-\w{0,8}u|--user|--proxy-user)[ \t=]*"
    r"[\"']?[^\s:\"']{1,80}:)[^\s\"']+",
    "argument of sshpass": rf"(?P<kept>\bsshpass[ \t]+-p[ \t]*){_VALUE}",
    # Each command has its own option for it.
    "password of a command": r"(?P<kept>\b(?:"
    r"(?:mysql|mariadb)(?:dump|admin)?\b[^\n]{0,200}?\s-p(?=\S)"
    r"|(?:docker|podman|helm|oras|az)\b[^\n]{0,80}?\slogin\b[^\n]{0,200}?\s-p[ \t]+"
    r"|redis-cli\b[^\n]{0,200}?\s-a[ \t]+|ldap\w{1,20}\b[^\n]{0,200}?\s-w[ \t]+"
    r"|ssh-keygen\b[^\n]{0,200}?\s-[NP][ \t]+|smb\w{1,20}\b[^\n]{0,200}?\s-U[ \t]*[^\s%]{1,80}%"
    r"|https?(?=[ \t])[^\n]{0,200}?\s-a[ \t]+[^\s:]{1,80}:"
    r"|openssl\b[^\n]{0,400}?\spass:))"
    rf"{_VALUE}",
    "argument of plink": rf"(?P<kept>(?<![\w-])-pw[ \t]+){_VALUE}",
    "line of netrc": r"(?P<kept>(?:\b(?:machine|default)\b[^\n]{0,200}\s|^[ \t]*)"
    r"password[ \t]+)(?![=:])\S+(?=[ \t]*$)",
    "bearer": r"(?P<kept>\bbearer\s+)[\w.~+/=-]{16,}",
    "line of a licence file": r"(?P<kept>\b(?:SIGN2?|CK)=)(?:\"[0-9A-F \n]{12,}\"|[0-9A-F]{12,})",
    # On a separate line, a value may contain spaces.
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
