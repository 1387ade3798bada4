"""Ports on a bridge of this host, made for QEMU to inherit; each goes when its machine ends.

QEMU's own helper does this for users with no right to, and asks /etc/qemu/bridge.conf whoever calls
it: on most hosts that file is not there.
"""

import fcntl
import os
import socket
import struct
from pathlib import Path

from rehost.provider_errors import BadTargetSpec

DEVICE = Path("/dev/net/tun")
NAME = b"rehost%d"  # the kernel puts in the next free number
TUNSETIFF = 0x400454CA
TAP, NO_PACKET_INFO, OFFLOADS = 0x2, 0x1000, 0x4000
GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 0x1
GET_MTU, SET_MTU = 0x8921, 0x8922
SET_ADDRESS, GET_ADDRESS = 0x8924, 0x8927
ADD_PORT = 0x89A2
REQUEST = "16s24s"  # struct ifreq: a name, and what is about it


def join(bridge: str) -> int | None:
    """A descriptor of a new port; the caller closes it. None if this process may not.

    Raises BadTargetSpec if it may, and it fails all the same.
    """
    try:
        tap = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        flags = struct.pack("<H", TAP | NO_PACKET_INFO | OFFLOADS)
        answer = fcntl.ioctl(tap, TUNSETIFF, struct.pack(REQUEST, NAME, flags))
        _connect(answer[:16].rstrip(b"\0"), bridge.encode())
    except PermissionError:
        os.close(tap)
        return None
    except OSError as e:
        os.close(tap)
        raise BadTargetSpec(f"cannot join bridge {bridge!r}: {e.strerror}") from e
    return tap


def _connect(port: bytes, bridge: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:

        def ask(number: int, name: bytes, about: bytes = b"") -> bytes:
            return fcntl.ioctl(control, number, struct.pack(REQUEST, name, about))[16:]

        ask(SET_MTU, port, ask(GET_MTU, bridge))
        # A bridge takes the lowest address of its ports as its own: this one must not be it.
        kind, address = struct.unpack("2s6s", ask(GET_ADDRESS, port)[:8])
        ask(SET_ADDRESS, port, kind + b"\xfe" + address[1:])
        index = socket.if_nametoindex(port.decode())
        ask(ADD_PORT, bridge, struct.pack("i", index))
        (flags,) = struct.unpack("H", ask(GET_FLAGS, port)[:2])
        ask(SET_FLAGS, port, struct.pack("H", flags | UP))
