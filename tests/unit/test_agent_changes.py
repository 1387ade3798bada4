from dataclasses import replace

import pytest

from rehost.agent.changes import Change, change, fingerprint
from rehost.errors import FileMissing
from rehost.model.disk import Disk, Partition
from rehost.model.server import Facts, Network, OsType, Report

GIB = 1 << 30
DISK = Disk(name="/dev/vda", size=100 * GIB, used_size=50 * GIB)
REPORT = Report(
    name="a",
    os_type=OsType.LINUX,
    os_version="DEBIAN_12_64BIT",
    networks=(Network(mac="00:00:00:00:00:01", ip="192.0.2.1"),),
    agent_version="1",
    disks=(DISK,),
    facts=Facts(free_memory=5, cpu_usage=1.0),
)


@pytest.mark.parametrize(
    "now",
    [
        REPORT,
        replace(REPORT, facts=Facts(free_memory=6, cpu_usage=99.0)),
        replace(REPORT, io_read_wait=3.0),
        replace(REPORT, disks=(replace(DISK, used_size=51 * GIB),)),
    ],
    ids=["same", "memory", "latency", "a-little-fuller"],
)
def test_noise_is_no_change(now):
    assert change(REPORT, now) is Change.NOTHING


@pytest.mark.parametrize(
    "disk",
    [
        replace(DISK, used_size=60 * GIB),
        replace(DISK, size=200 * GIB),
        replace(DISK, physical_volumes=(Partition(name="/dev/vda1"),)),
    ],
    ids=["fuller", "grown", "partitioned"],
)
def test_a_changed_disk_is_a_change_of_disks(disk):
    assert change(REPORT, replace(REPORT, disks=(disk,))) is Change.DISKS


def test_anything_else_is_a_change_of_facts():
    moved = replace(REPORT, networks=(Network(mac="00:00:00:00:00:01", ip="192.0.2.2"),))
    assert change(REPORT, moved) is Change.FACTS
    assert change(REPORT, replace(moved, disks=())) is Change.FACTS
    assert change(None, REPORT) is Change.FACTS


class Files:
    def __init__(self, **files: str) -> None:
        self.files = files

    def read(self, path: str, **_) -> bytes:
        name = path.rpartition("/")[2]
        if name not in self.files:
            raise FileMissing(path)
        return self.files[name].encode()


def host(**files):
    return Files(**files)


PARTITIONS = "major minor  #blocks  name\n\n 254 0 1000 vda\n 254 1 900 vda1\n"
MOUNTS = "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"


def test_mounts_of_containers_are_no_reason_to_look():
    before = host(partitions=PARTITIONS, mountinfo=MOUNTS)
    overlay = "90 22 0:50 / /var/lib/x rw - overlay overlay rw\n"
    loop = "   7 0 1000 loop0\n"
    after = host(partitions=PARTITIONS + loop, mountinfo=MOUNTS + overlay)
    assert fingerprint(before) == fingerprint(after)


@pytest.mark.parametrize(
    "after",
    [
        host(partitions=PARTITIONS + " 254 16 1000 vdb\n", mountinfo=MOUNTS),
        host(partitions=PARTITIONS.replace("1000", "2000"), mountinfo=MOUNTS),
        host(partitions=PARTITIONS, mountinfo=MOUNTS + MOUNTS.replace(" / /", " / /mnt")),
        host(),
    ],
    ids=["disk", "grown", "mount", "gone"],
)
def test_disks_and_their_mounts_are(after):
    assert fingerprint(host(partitions=PARTITIONS, mountinfo=MOUNTS)) != fingerprint(after)
