"""Ways from this host's loopback to a machine's own ports, through its user-mode network.

QEMU forwards to the first address that its DHCP gives: a guest with another address of its own is
not reached, nor is one on a bridge, which can be reached by its address.
"""

import re
import socket
import time
from contextlib import suppress
from pathlib import Path

from rehost.provider_errors import BadTargetSpec, MachineSilent
from rehost.providers.qemu import qmp

LOOPBACK = "127.0.0.1"
# As `info usernet` prints: protocol, descriptor, source address and port, destination's.
WAIT_S = 2.0
LOOK_S = 0.1
FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)\s")

# Connections that the machine has taken, even if it has said by now that it will send no more.
TAKEN = r"TCP\[(?:ESTABLISHED|CLOSE_WAIT)\]\s+\d+\s+127\.0\.0\.1\s+{outer}\s+\S+\s+{inner}\s"


def forwarded(folder: Path, network: int, port: int) -> tuple[str, int]:
    """The same way at each call, over the interface of this number.

    Raises MachineSilent, or BadTargetSpec where there is none.
    """
    if (known := _forwards(folder).get(port)) is None:
        said = _monitor(folder, f"hostfwd_add net{network} tcp:{LOOPBACK}:0-:{port}")
        if (known := _forwards(folder).get(port)) is None:
            raise BadTargetSpec(f"port {port} of {folder.name} cannot be reached: {said.strip()}")
    return LOOPBACK, known


def accepts(folder: Path, network: int, port: int) -> bool:
    """Whether the machine takes a connection: QEMU takes ours at once, and then asks it."""
    way = forwarded(folder, network, port)
    taken = re.compile(TAKEN.format(outer=way[1], inner=port))
    with suppress(OSError), socket.create_connection(way, WAIT_S):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if taken.search(_monitor(folder, "info usernet")):
                return True
            time.sleep(LOOK_S)
    return False


def _forwards(folder: Path) -> dict[int, int]:
    """Ports of the machine, and of this host."""
    text = _monitor(folder, "info usernet")
    return {int(inner): int(outer) for outer, inner in FORWARD.findall(text)}


def _monitor(folder: Path, line: str) -> str:
    said = qmp.ask(folder, "human-monitor-command", **{"command-line": line})
    if not isinstance(said, str):
        raise MachineSilent(folder.name, line, "its answer is no text")
    return said
