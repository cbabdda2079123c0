"""What to do about an error of the operating system, by its number."""

import errno
import shlex

_FREE = "free some space, e.g. with `overlayflow store prune`"
_OTHER = "choose another place for the store"
_AWAY = "move away what has this name, or choose another place for the store"
_RIGHTS = (
    "correct its permissions, or choose another place for the store; several users need one group "
    "and umask 002: `chgrp -R GROUP {root} && chmod -R g+rwX {root} && "
    "find {root} -type d -exec chmod g+s {} +`"
)
_LOCKS = "this file system has no locks: set OVERLAYFLOW_HOME or OVERLAYFLOW_STORE to another one"
_REMEDIES = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EFBIG: "raise the limit on file sizes (`ulimit -f`)",
    errno.EROFS: _OTHER,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOTDIR: _AWAY,
    errno.EEXIST: _AWAY,
    errno.EISDIR: _AWAY,
    errno.ENOLCK: _LOCKS,
    errno.EOPNOTSUPP: _LOCKS,
    errno.ENOSYS: _LOCKS,
}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_LOCKS = {number for number, remedy in _REMEDIES.items() if remedy == _LOCKS}


def remedy(error: OSError, root: object) -> str:
    """Return what to do about an error in the store at `root`; empty if nobody knows."""
    return _REMEDIES.get(error.errno or 0, "").replace("{root}", shlex.quote(str(root)))
