"""Parsers of what tools print and disks hold: BadFormat is the only way to say no."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehost.errors import BadFormat
from rehost.stages.discover import boot_entry, mounts, networks
from rehost.storage import btrfs, lvm, partitions, signatures

MAGICS = [
    (1080, b"\x53\xef"),
    (0, b"XFSB"),
    (65600, b"_BHRfS_M"),
    (0, b"LUKS\xba\xbe"),
    (512, b"LABELONE" + bytes(16) + b"LVM2 001"),
    (4086, b"SWAPSPACE2"),
    (3, b"NTFS    "),
    (82, b"FAT32"),
    (510, b"\x55\xaa"),
    (4096, b"\xfc\x4e\x2b\xa9\x01\0\0\0"),
    (446, b"\0\0\0\0\xee" + bytes(59)),
    (512, b"EFI PART"),
]
DEVICE_SIZE = 1 << 20
heads = st.tuples(st.binary(min_size=0, max_size=2048), st.lists(st.sampled_from(MAGICS)))


def device(start: bytes, magics: list[tuple[int, bytes]]) -> bytes:
    content = bytearray((start * (DEVICE_SIZE // max(1, len(start)) + 1))[:DEVICE_SIZE])
    for offset, magic in magics:
        content[offset : offset + len(magic)] = magic
    return bytes(content)


@given(heads)
def test_devices(head):
    content = device(*head)
    found = signatures.identify(lambda at, n: content[at : at + n], size=len(content))
    assert found is None or found.file_system


@given(heads)
def test_partition_tables(head):
    with suppress(BadFormat):
        assert partitions.parse(device(*head)[: partitions.SIZE]).style in {"MBR", "GPT"}


NODE = st.builds(
    lambda kind, data, lie: kind + (len(data) + 4 + lie).to_bytes(2, "little") + data,
    st.sampled_from([b"\4\1", b"\4\4", b"\x7f\xff"]),
    st.binary(max_size=99),
    st.sampled_from([0, 0, 0, 0, -1, 9]),
)


@given(st.binary(max_size=6), st.lists(NODE, max_size=9).map(b"".join), st.binary(max_size=200))
def test_boot_entries(start, path, rest):
    made = b"\1\0\0\0" + (len(path) % 65536).to_bytes(2, "little") + start + b"\0\0" + path + rest
    for option in (rest, made):
        with suppress(BadFormat):
            found = boot_entry.loader(option)
            assert found is None or (found.startswith("\\") and len(found) <= boot_entry.LONGEST)


@pytest.mark.parametrize(
    "parse",
    [
        btrfs.parse_df,
        btrfs.parse_subvolumes,
        lambda text: [btrfs.parse_default(text)],
        lvm.parse_groups,
        lvm.parse_physical,
        lvm.parse_logical,
        mounts.parse_mountinfo,
        mounts.parse_swaps,
        networks.parse_addresses,
    ],
)
@given(
    text=st.text()
    | st.lists(
        st.sampled_from(["|", " ", "\n", "ID", "5", "inet", "scope global", "/", "path", "-", "٣"])
    ).map("".join)
)
def test_what_tools_print(parse: Callable[[str], object], text: str):
    with suppress(BadFormat):
        list(parse(text))  # type: ignore[call-overload]
