from pathlib import Path

import pytest

from rehost.model.ranges import Range
from rehost.storage.used.disk import plan, used_ranges
from tests.blockdev.conftest import run
from tests.blockdev.files import MIB, copy, length

pytestmark = pytest.mark.needs("root", "loop", "mkswap", "blkid")
SIZE = 64 * MIB


def test_header_of_swap_is_copied_and_nothing_else(make_disk):
    disk, target = make_disk("disk", SIZE), make_disk("target", SIZE)
    run("mkswap", "-L", "label", disk)
    used = used_ranges(disk)
    assert used == (Range(0, 64 << 10),)
    copy(disk, target, used)
    known = [run("blkid", "-p", "-o", "value", "-s", "UUID", d) for d in (disk, target)]
    assert known[0] == known[1] != ""


@pytest.mark.parametrize(
    "signature", [b"S1SUSPEND\0", b"S2SUSPEND\0", b"ULSUSPEND\0", b"SWAP-SPACE"]
)
def test_hibernated_machine_is_copied_as_a_whole(make_disk, signature):
    disk = make_disk("disk", SIZE)
    run("mkswap", disk)
    with Path(disk).open("r+b") as file:
        file.seek(4086)
        file.write(signature)
    run("blockdev", "--flushbufs", disk)
    assert length(plan(disk).used) == SIZE
