import bz2
import gzip
import lzma
import subprocess
import time
from collections.abc import Callable

import pytest

from rehost.errors import FileMissing, FileUnreadable, HostError
from rehost.system.host import LiveHost

DRIVER = "usr/lib/modules/6.1/kernel/drivers/block/virtio_blk.ko"


def member(name: str, content: bytes = b"") -> bytes:
    fields = [1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08X" % n for n in fields) + name.encode() + b"\0"
    head += bytes(-len(head) % 4)
    return head + content + bytes(-len(content) % 4)


def archive(*names: str, padding: int = 512) -> bytes:
    data = b"".join(member(name, b"x" * 1001) for name in names) + member("TRAILER!!!")
    return data + bytes(-len(data) % padding)


@pytest.fixture
def packed(tmp_path):
    def find(data: bytes, *patterns: str, limit_s: float = 10) -> tuple[str, ...]:
        file = tmp_path / "initrd"
        file.write_bytes(data)
        return LiveHost(time_limit_s=limit_s).packed(str(file), patterns or ("never",))

    return find


def test_names_in_archives_one_after_the_other(packed):
    assert packed(archive("a", "b") + archive("c"), "^[bc]$", "never") == ("b", "c")


def tool(*argv: str) -> Callable[[bytes], bytes]:
    return lambda data: subprocess.run(argv, input=data, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "compress", [gzip.compress, bz2.compress, lzma.compress, lambda d: lzma.compress(d, 2)]
)
def test_the_last_archive_may_be_compressed(packed, compress):
    data = archive("kernel/x86/microcode/GenuineIntel.bin") + compress(archive("init", DRIVER))
    assert packed(data, r"/virtio_blk\.ko") == (DRIVER,)


@pytest.mark.needs("zstd", "lz4")
@pytest.mark.parametrize("argv", [("zstd", "-qc"), ("lz4", "-lqc")])
def test_it_may_be_compressed_for_a_tool(packed, argv):
    data = archive("early") + tool(*argv)(archive("init", DRIVER))
    assert packed(data, r"/virtio_blk\.ko") == (DRIVER,)


def test_it_stops_once_all_is_found(packed):
    damaged = archive(DRIVER)[:-512] + b"garbage"
    assert packed(damaged, "virtio_blk") == (DRIVER,)


@pytest.mark.parametrize(
    "data",
    [
        b"garbage",
        archive("a")[:150],
        b"070701" + b"z" * 200,
        gzip.compress(archive("a"))[:40],
        b"\x1f\x8b" + b"garbage" * 9,
        b"\xfd7zXZ\0" + b"garbage" * 9,
        b"\x28\xb5\x2f\xfd" + b"garbage" * 9,
    ],
)
def test_damage_is_an_error_of_the_host(packed, data):
    with pytest.raises(HostError, match=r"initramfs|initrd"):
        packed(data)


def test_an_initramfs_that_is_not_there():
    with pytest.raises(FileMissing):
        LiveHost().packed("/nonexistent", ("a",))


def test_it_is_given_up_after_the_time_limit(packed):
    began = time.monotonic()
    with pytest.raises(FileUnreadable):
        packed(archive("a"), "never", limit_s=-1.0)
    assert time.monotonic() - began < 5
