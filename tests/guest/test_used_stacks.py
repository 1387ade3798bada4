"""LVM and RAID as their own tools make them, in whole machines: this kernel has neither.

Takes many minutes the first time; see tests/machines/build/README.md for what it needs.
"""

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rehost.model.ranges import Range
from rehost.storage.used.disk import Plan, plan
from tests.blockdev.files import MIB, length, overlap
from tests.machines.build import record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "qemu-system-x86_64", "debootstrap", "mke2fs"),
]
DIGEST = b"""set -eu
find /usr /etc /boot /home /opt -xdev -type f ! -name '*.pyc' -print0 | sort -z |
    xargs -0 md5sum | md5sum
cat /proc/mdstat
"""
# Asks for the plan on the running machine, and says where a file just written lies on the disk.
LIVE = b"""set -eu
curl -fsS "$HOST/agent.tar" | tar -xC /run
dd if=/dev/urandom of=/home/new bs=1M count=24 oflag=direct status=none
python3 -I -S -c '
import json, sys
sys.path.insert(0, "/run/src")
from rehost.storage.used.disk import plan
found = plan(sys.argv[1])
print("PLAN", json.dumps({
    "used": [(r.offset, r.length) for r in found.used],
    "doubts": {p.name: p.doubt for p in found.parts if p.doubt},
    "free": {p.name: p.free for p in found.parts},
}))' /dev/sda
filefrag -e -b512 /home/new
echo "LINEAR $(dmsetup table raidvg-home)"
echo "DATA $(cat /sys/block/md0/md/dev-sda2/offset)"
echo "PARTITION $(cat /sys/class/block/sda2/start)"
"""


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """tests/machines/build/record.py: it builds machines, and runs scripts in them."""
    return record


def machine_of(build: ModuleType, name: str) -> tuple[Any, Path]:
    [machine] = (m for m in build.MACHINES if m.name == name)
    return machine, build.installed(machine)


def doubts(found: Plan) -> dict[str, str]:
    return {part.name: part.doubt for part in found.parts if part.doubt}


def copy_image(source: Path, target: Path, ranges: tuple[Range, ...]) -> None:
    with source.open("rb") as old, target.open("wb") as new:
        new.truncate(source.stat().st_size)
        for r in ranges:
            for at in range(r.offset, r.end, 8 * MIB):
                old.seek(at)
                new.seek(at)
                new.write(old.read(min(8 * MIB, r.end - at)))


def test_volume_group_on_a_mirror(build, tmp_path):
    machine, folder = machine_of(build, "raid1-lvm")
    images = [folder / f"disk{n}.img" for n in range(2)]
    for image in images:
        found = plan(str(image))
        assert doubts(found) == {}
        free = {part.name: part.free for part in found.parts}
        assert free["raidvg/root"] > 2000 * MIB
        assert free["raidvg/home"] > 800 * MIB
        assert length(found.used) < 1500 * MIB
        copy_image(image, tmp_path / image.name, found.used)
    # It boots from the copies, its mirror is whole, and its files are the same.
    assert build.run_script(machine, tmp_path, DIGEST) == build.run_script(machine, folder, DIGEST)


def test_running_machine_with_a_volume_group_on_a_mirror(build):
    machine, folder = machine_of(build, "raid1-lvm")
    printed = build.run_script(machine, folder, LIVE)
    [line] = re.findall(r"^PLAN (.*)$", printed, re.MULTILINE)
    found = json.loads(line)
    assert found["doubts"] == {}
    used = [Range(offset, size) for offset, size in found["used"]]
    assert length(used) < 1600 * MIB
    assert found["free"]["raidvg/home"] > 700 * MIB
    # The file is where LVM, the mirror and the partition have it.
    volume, data, partition = (
        int(re.findall(rf"^{name} (\d+)", printed, re.MULTILINE)[0])
        for name in (r"LINEAR 0 \d+ linear \S+", "DATA", "PARTITION")
    )
    extents = re.findall(r"^ *\d+: +\d+\.\. *\d+: +(\d+)\.\. *(\d+):", printed, re.MULTILINE)
    assert extents
    for first, last in extents:
        start = (int(first) + volume + data + partition) * 512
        size = (int(last) + 1 - int(first)) * 512
        assert overlap(used, Range(start, size)) == size


def test_volumes_that_are_not_plain(build):
    _, folder = machine_of(build, "lvm-thin-bond")
    system, whole = (plan(str(folder / f"disk{n}.img")) for n in range(2))
    names = {part.name for found in (system, whole) for part in found.parts}
    assert not names & {"data/pool", "data/thin", "data/striped", "data/logs", "data/logs-before"}
    # Half of `striped` is on each; the pool, its metadata, the snapshot and its origin as a whole.
    group = [p for found in (system, whole) for p in found.parts if p.content == "LVM2_member"]
    assert len(group) == 2
    assert sum(p.size - p.free for p in group) >= (512 + 256 + 256 + 64) * MIB
    assert sum(p.free for p in group) > 100 * MIB
