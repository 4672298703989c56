"""What a rehearsal watches every Python process by: who reaches for the network is refused and written down.

It stands in the rehearsal's search path as `sitecustomize.py`, so each process of it, however started, begins with it.
A folder named by the environment takes what was seen: `network.jsonl`, and `modules-<pid>.json` of each process' end.
"""

import atexit
import errno
import ipaddress
import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

SEEN = "MASKFOLD_REHEARSAL"  # environment: the folder
NETWORK, MODULES = "network.jsonl", "modules"
# Events of the standard library that come before a socket is used, with the place of the address among its arguments.
_EVENTS = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}
_STANDARD = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))


def is_far(address: object) -> bool:
    """Return whether an address, a host or a pair of host and port, is of another machine; a path or no host is not."""
    if isinstance(address, tuple):
        host = address[0]
    else:
        host = address if isinstance(address, str) and "/" not in address else None
    host = host.decode(errors="replace") if isinstance(host, bytes) else host
    if not host or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def refuse_network(event: str, arguments: Sequence[object]) -> None:
    """Write down and refuse what an audit event says is about to reach another machine.

    Raises:
        OSError: What a machine without a network raises.
    """
    place = _EVENTS.get(event)
    if place is None or not is_far(arguments[place]):
        return
    line = json.dumps({"event": event, "address": f"{arguments[place]}", "by": _callers(sys._getframe(1))})
    with open(os.path.join(os.environ[SEEN], NETWORK), "a") as file:
        file.write(f"{line}\n")
    raise OSError(errno.ENETUNREACH, "Network is unreachable: this is a rehearsal without one")


def _callers(frame: FrameType | None) -> str:
    """Return the packages that a call came through, the nearest first, with the line in the nearest."""
    names: list[str] = []
    while frame is not None:
        path, module = frame.f_code.co_filename, frame.f_globals.get("__name__", "?").partition(".")[0]
        own = path == __file__ or (path.startswith(_STANDARD) and "site-packages" not in path)
        if not own and not path.startswith("<frozen") and module not in {name.partition(" ")[0] for name in names}:
            names.append(module if names else f"{module} ({path}:{frame.f_lineno})")
        frame = frame.f_back
    return " < ".join(names)


def _leave_modules() -> None:
    names = sorted({name.partition(".")[0] for name in [*sys.modules]})
    Path(os.environ[SEEN], f"{MODULES}-{os.getpid()}.json").write_text(json.dumps(names))


if os.environ.get(SEEN):
    sys.addaudithook(refuse_network)
    atexit.register(_leave_modules)
