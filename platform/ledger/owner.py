"""Who holds a lease: a process, named so that others of its machine can see whether it is alive."""

import os
import secrets
import socket
from functools import cache


@cache
def machine() -> str:
    """Return the name of this machine; of the container, where process numbers are its own."""
    try:
        space = os.readlink("/proc/self/ns/pid").removeprefix("pid:").strip("[]")
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}-{space}"


def new_owner() -> str:
    """Return a name to lease tasks under: machine, process, and a token.

    The token tells a process from its predecessor of the same number, in a restarted container.
    """
    return f"{machine()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """Return whether an owner was a process of this machine that is gone."""
    where, _, process = owner.rpartition(":")[0].rpartition(":")
    if where != machine() or not process.isdigit():
        return False
    if int(process) == os.getpid():
        return True  # a predecessor with our number
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
