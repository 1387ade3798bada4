"""A boot entry of UEFI firmware: the EFI_LOAD_OPTION of its variables Boot0000 to BootFFFF."""

import struct
from collections.abc import Iterator

from rehost.errors import BadFormat

HEAD = struct.Struct("<LH")  # attributes, bytes of the device path
NODE = struct.Struct("<BBH")  # type, subtype, bytes of the whole node
END = 0x7F
FILE_PATH = (4, 4)
NODES = 64
LONGEST = 255  # characters of a path, as in the model


def loader(option: bytes) -> str | None:
    r"""The file that the entry starts, as "\EFI\debian\shimx64.efi"; None if it names none.

    That is an entry for a whole disk, where firmware takes \EFI\BOOT\BOOTX64.EFI, or for a network.
    Raises BadFormat.
    """
    try:
        _, size = HEAD.unpack_from(option)
    except struct.error as e:
        raise BadFormat("a boot entry of the firmware is too short") from e
    at = _end_of_text(option, HEAD.size)
    if at + size > len(option):
        raise BadFormat("a boot entry of the firmware ends in its device path")
    parts = [_text(data) for kind, data in _nodes(option[at : at + size]) if kind == FILE_PATH]
    # A path may be in several nodes, with or without what separates them.
    path = "\\" + "\\".join(part.replace("/", "\\").strip("\\") for part in parts)
    if len(path) > LONGEST or not path.isprintable():
        raise BadFormat("a boot entry of the firmware names a file with an impossible path")
    return path if path.strip("\\") else None


def _end_of_text(option: bytes, at: int) -> int:
    while option[at : at + 2] != b"\0\0":
        at += 2
        if at >= len(option):
            raise BadFormat("a boot entry of the firmware ends in its title")
    return at + 2


def _nodes(path: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Of the first device path: others may follow, for firmware to take note of."""
    at = 0
    for _ in range(NODES):
        try:
            kind, subtype, size = NODE.unpack_from(path, at)
        except struct.error as e:
            raise BadFormat("a device path of the firmware has no end") from e
        if kind == END:
            return
        if size < NODE.size or at + size > len(path):
            raise BadFormat(f"a device path of the firmware has a node of {size} bytes")
        yield (kind, subtype), path[at + NODE.size : at + size]
        at += size
    raise BadFormat(f"a device path of the firmware has more than {NODES} nodes")


def _text(data: bytes) -> str:
    return data.decode("utf-16-le", "replace").partition("\0")[0]
