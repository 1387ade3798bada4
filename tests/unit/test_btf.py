import struct

import pytest

from rehost.errors import BadFormat
from rehost.system.btf import Btf

NAMES = ["", "request", "q", "__sector", "btf_trace_done", "unsigned long", "disk", "bits"]
STRINGS = "".join(f"{name}\0" for name in NAMES).encode()


def name(text: str) -> int:
    return STRINGS.index(b"\0" + text.encode() + b"\0") + 1 if text else 0


def record(text: str, kind: int, count: int, value: int, *more: int, flag: int = 0) -> bytes:
    info = flag << 31 | kind << 24 | count
    return struct.pack(f"<III{len(more)}I", name(text), info, value, *more)


def btf(*records: bytes) -> Btf:
    types = b"".join(records)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(STRINGS))
    return Btf(header + types + STRINGS)


REQUEST = btf(
    record("unsigned long", 1, 0, 8, 64),  # 1: an integer
    record("", 5, 1, 8, name("disk"), 1, 0),  # 2: a nameless union
    record("request", 4, 3, 24, name("q"), 4, 0, 0, 2, 64, name("__sector"), 1, 128),  # 3
    record("", 2, 0, 3),  # 4: a pointer to 3
    record("", 10, 0, 4),  # 5: that, const
    record("", 13, 2, 0, 0, 1, 0, 5),  # 6: a function of (1, 5)
    record("", 2, 0, 6),  # 7: a pointer to it
    record("btf_trace_done", 8, 0, 7),  # 8: its name
)


def test_a_tracepoint_leads_to_the_fields_of_its_request():
    parameters = REQUEST.parameters(REQUEST.typedef("btf_trace_done"))
    assert [REQUEST.is_pointer_to(p, "request") for p in parameters] == [False, True]
    request = REQUEST.pointed(parameters[1])
    assert REQUEST.field(request, "__sector") == (16, 1)
    assert REQUEST.field(request, "q") == (0, 4)


def test_a_field_in_a_nameless_part_is_found():
    assert REQUEST.field(3, "disk") == (8, 1)


def test_what_is_not_there_is_said():
    assert REQUEST.field(3, "bits") is None
    with pytest.raises(BadFormat, match="no type btf_trace_issue"):
        REQUEST.typedef("btf_trace_issue")
    with pytest.raises(BadFormat, match="no type bits"):
        REQUEST.typedef("bits")
    with pytest.raises(BadFormat, match="not a pointer"):
        REQUEST.pointed(1)


def test_offsets_beside_bit_fields_are_in_the_low_bits():
    flagged = btf(record("request", 4, 1, 8, name("bits"), 0, 4 << 24 | 32, flag=1))
    assert flagged.field(1, "bits") == (4, 0)


@pytest.mark.parametrize("data", [b"", b"\0" * 40, b"\x9f\xeb\1\0"])
def test_what_is_no_btf_is_refused(data):
    with pytest.raises(BadFormat):
        Btf(data)
