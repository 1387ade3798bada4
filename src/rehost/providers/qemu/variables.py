"""A boot entry in OVMF's store of variables, as its firmware would have written it itself.

The store is a firmware volume of edk2 (MdeModulePkg: VariableFormat.h) with one variable after the
other, aligned, in space that is all ones where nothing was written yet.
"""

import struct
import uuid

from rehost.errors import BadFormat

NV_DATA = uuid.UUID("fff12b8d-7696-4c8b-a985-2747075b4f50").bytes_le
AUTHENTICATED = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le
GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c").bytes_le
# Length, signature, attributes, length of the header; what is before is zero and a GUID.
VOLUME = struct.Struct("<16x16sQ4sLH")
STORE = struct.Struct("<16sLBB6x")
FORMATTED, HEALTHY = 0x5A, 0xFE
# Mark, state, attributes, a counter, a time, index of a key, lengths of name and data, GUID.
VARIABLE = struct.Struct("<HBxLQ16xLLL16s")
MARK, ADDED = 0x55AA, 0x3F
BOTH_SERVICES = 0x7  # kept; for boot loaders and running systems
ACTIVE = 0x1
MEDIA, FILE_PATH = 4, 4
END = bytes((0x7F, 0xFF, 4, 0))
NUMBER = 0


def with_boot_entry(store: bytes, file: str) -> bytes:
    r"""A store that has never been used, with one entry: the loader `file`, "\EFI\debian\…".

    The entry names no disk: the firmware takes the first that has such a file. Raises BadFormat for
    what is no such store, or has entries already.
    """
    start, end = _variables(store)
    at = _free(store, start, end)
    new = b"".join(
        (
            _variable(f"Boot{NUMBER:04X}", _load_option(file)),
            _variable("BootOrder", NUMBER.to_bytes(2, "little")),
        )
    )
    if at + len(new) > end or store[at : at + len(new)].strip(b"\xff"):
        raise BadFormat("the store of UEFI variables has no room for a boot entry")
    return store[:at] + new + store[at + len(new) :]


def _variables(store: bytes) -> tuple[int, int]:
    """Where the first variable is, or would be, and where there can be none any more."""
    try:
        guid, _, signature, _, header = VOLUME.unpack_from(store)
        kind, size, form, state = STORE.unpack_from(store, header)
    except struct.error as e:
        raise BadFormat("the store of UEFI variables is too short") from e
    if (guid, signature, kind, form, state) != (
        NV_DATA, b"_FVH", AUTHENTICATED, FORMATTED, HEALTHY
    ):  # fmt: skip
        raise BadFormat("the store of UEFI variables has a layout that is not known")
    return header + STORE.size, min(header + size, len(store))


def _free(store: bytes, at: int, end: int) -> int:
    while at + VARIABLE.size <= end:
        mark, _, _, _, _, name, data, _ = VARIABLE.unpack_from(store, at)
        if mark != MARK:
            break
        begin = at + VARIABLE.size
        if store[begin : begin + name].decode("utf-16-le", "replace").startswith("Boot"):
            raise BadFormat("the store of UEFI variables has boot entries already")
        at = _aligned(begin + name + data)
    return at


def _variable(name: str, data: bytes) -> bytes:
    text = _text(name)
    head = VARIABLE.pack(MARK, ADDED, BOTH_SERVICES, 0, 0, len(text), len(data), GLOBAL)
    whole = head + text + data
    return whole.ljust(_aligned(len(whole)), b"\xff")


def _load_option(file: str) -> bytes:
    path = _text(file)
    node = struct.pack("<BBH", MEDIA, FILE_PATH, 4 + len(path)) + path
    title = _text("migrated system")
    return struct.pack("<LH", ACTIVE, len(node) + len(END)) + title + node + END


def _text(text: str) -> bytes:
    return f"{text}\0".encode("utf-16-le")


def _aligned(at: int) -> int:
    return -(-at // 4) * 4
