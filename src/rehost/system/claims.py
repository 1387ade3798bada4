"""Names of which each is one process's at a time."""

import socket


def claim(name: str) -> socket.socket | None:
    """Have `name` until the socket is closed, or this process ends however; None: another has it.

    It is an abstract address, so it counts where ports count: in one network namespace.
    """
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(f"\0rehost/{name}")
    except OSError:
        held.close()
        return None
    return held
