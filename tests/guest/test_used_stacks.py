"""LVM and RAID as their own tools make them, in a whole machine: a host may have neither.

The system in it is the one of tests/machines/build/README.md, which says what that needs.
"""

import json
import re
from pathlib import Path

import pytest

from rehost.model.ranges import Range
from rehost.storage.used.disk import Plan, plan
from tests.blockdev.files import MIB, length, overlap
from tests.machines.build import record
from tests.machines.build.guest import Exchange, Kernel, run_in_guest
from tests.machines.build.hardware import MACHINES, Disk, Machine, Nic

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "qemu-system-x86_64", "debootstrap", "mke2fs"),
]
DISKS = ("sda", "sdb")
SIZE = 1536 * MIB
PLAIN = {"mirrored/root", "mirrored/data"}

# A mirror over the first partitions, with a volume group on it, and another beside the mirror.
MAKE = """set -eux
for disk in sda sdb; do
    printf 'label: gpt\n1MiB,700MiB,R\n,,V\n' | sfdisk --quiet /dev/$disk
done
udevadm settle
mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --assume-clean --homehost=any /dev/sd[ab]1
pvcreate --quiet /dev/md0 /dev/sda2 /dev/sdb2
vgcreate --quiet mirrored /dev/md0
lvcreate --quiet --yes --name root --size 200M mirrored
lvcreate --quiet --yes --name data --size 320M mirrored
vgcreate --quiet other /dev/sda2 /dev/sdb2
lvcreate --quiet --yes --type thin-pool --name pool --size 100M other /dev/sda2
lvcreate --quiet --yes --thin --name thin --virtualsize 1G other/pool
lvcreate --quiet --yes --name striped --stripes 2 --size 128M other
lvcreate --quiet --yes --name origin --size 64M other /dev/sdb2
lvcreate --quiet --yes --type raid1 --mirrors 1 --name raid --size 64M other
mkfs.ext4 -q /dev/mirrored/root
mkfs.xfs -q /dev/mirrored/data
for volume in thin striped origin raid; do mkfs.ext4 -q /dev/other/$volume; done
lvcreate --quiet --yes --snapshot --name before --size 32M other/origin
for volume in mirrored/root mirrored/data other/thin other/striped other/origin other/raid; do
    mkdir -p /mnt/$volume
    mount /dev/$volume /mnt/$volume
    for n in 1 2 3 4 5 6 7 8; do head -c 3M /dev/urandom >/mnt/$volume/file$n; done
    rm /mnt/$volume/file[1357]
done
sync
"""
# Each file's data is on the disk, but no bitmap is yet.
LIVE = """set +x
curl -fsS "$HOST/agent.tar" | tar -xC /run
for volume in root data; do
    dd if=/dev/urandom of=/mnt/mirrored/$volume/new bs=1M count=24 oflag=direct status=none
done
for disk in sda sdb; do python3 -I -S -c '
import json, sys
sys.path.insert(0, "/run/src")
from rehost.storage.used.disk import plan
found = plan(sys.argv[1])
print("PLAN", json.dumps({
    "used": [(r.offset, r.length) for r in found.used],
    "doubts": {p.name: p.doubt for p in found.parts if p.doubt},
    "free": {p.name: p.free for p in found.parts},
}))' /dev/$disk; done
for volume in root data; do
    echo "FILE $(dmsetup table mirrored-$volume)"
    filefrag -e -b512 /mnt/mirrored/$volume/new
done
for raid in /sys/block/md*/md/dev-sda1; do [ ! -d $raid ] || echo "DATA $(cat $raid/offset)"; done
echo "PARTITION $(cat /sys/class/block/sda1/start)"
"""
STOP = """
find /mnt -type f | sort | xargs md5sum | sed 's/^/SUM /'
umount /mnt/*/*
vgchange --quiet --activate n mirrored other
mdadm --stop /dev/md0
sync
"""
CHECK = """set -eux
udevadm settle
[ -e /dev/md0 ] || mdadm --assemble /dev/md0 /dev/sd[ab]1
vgchange --quiet --activate y mirrored other
xfs_repair -n /dev/mirrored/data
for volume in mirrored/root other/thin other/striped other/origin other/raid; do
    e2fsck -fn /dev/$volume
done
for volume in mirrored/root mirrored/data other/thin other/striped other/origin other/raid; do
    mkdir -p /mnt/$volume
    mount /dev/$volume /mnt/$volume
done
cat /proc/mdstat
"""


def run_in(folder: Path, script: str) -> str:
    """What a script prints in a machine with the disks of this folder."""
    disks = tuple(Disk(serial=name, size=SIZE, bus="scsi") for name in DISKS)
    machine = Machine(
        name="stacks",
        uuid="0a0000ff-1111-4000-8000-00000000feed",
        firmware="bios",
        disks=disks,
        nics=(Nic(mac="52:54:00:00:ff:01"),),
    )
    base = record.base_system()
    kernel = Kernel(vmlinuz=base / "vmlinuz", initrd=base / "initrd", root=base / "base.img")
    offered = {"run.sh": script.encode(), "agent.tar": record.agent_sources()}
    exchange = Exchange(offered=offered)
    run_in_guest(machine, folder, exchange, kernel=kernel)
    log: bytes = exchange.received["run.log"]
    return log.decode()


def new_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    for number in range(len(DISKS)):
        with (folder / f"disk{number}.img").open("wb") as image:
            image.truncate(SIZE)
    return folder


def copy_image(source: Path, target: Path, ranges: tuple[Range, ...]) -> None:
    with source.open("rb") as old, target.open("r+b") as new:
        for r in ranges:
            for at in range(r.offset, r.end, 8 * MIB):
                old.seek(at)
                new.seek(at)
                new.write(old.read(min(8 * MIB, r.end - at)))


def sums(printed: str) -> list[str]:
    return re.findall(r"^SUM .*$", printed, re.MULTILINE)


def doubts(found: Plan) -> dict[str, str]:
    return {part.name: part.doubt for part in found.parts if part.doubt}


def test_volume_groups_on_a_mirror_and_beside_it(tmp_path):
    source, target = new_folder(tmp_path, "source"), new_folder(tmp_path, "target")
    before = run_in(source, MAKE + LIVE + STOP)
    expect_sound_while_running(before)
    for number in range(len(DISKS)):
        image = source / f"disk{number}.img"
        found = plan(str(image))
        assert doubts(found) == {}
        names = {part.name for part in found.parts}
        assert names >= PLAIN
        assert not names & {f"other/{n}" for n in ("pool", "thin", "striped", "origin", "raid")}
        free = {part.name: part.free for part in found.parts}
        assert free["mirrored/root"] > 120 * MIB
        assert free["mirrored/data"] > 200 * MIB
        assert length(found.used) < SIZE // 2
        copy_image(image, target / image.name, found.used)
    after = run_in(target, CHECK + STOP)
    assert len(sums(before)) == 26
    assert sums(after) == sums(before)
    assert "[2/2] [UU]" in after


def expect_sound_while_running(printed: str) -> None:
    plans = [json.loads(line) for line in re.findall(r"^PLAN (.*)$", printed, re.MULTILINE)]
    assert len(plans) == len(DISKS)
    for found in plans:
        assert found["doubts"] == {}
        assert found["free"]["mirrored/root"] > 100 * MIB
        assert found["free"]["mirrored/data"] > 200 * MIB
    used = [Range(offset, size) for offset, size in plans[0]["used"]]
    below = place_of("DATA", printed) + place_of("PARTITION", printed)
    expect_copied(printed, used, below=below, files=len(PLAIN))


def place_of(name: str, printed: str) -> int:
    return int(re.findall(rf"^{name} (\d+)", printed, re.MULTILINE)[0])


def expect_copied(printed: str, used: list[Range], *, below: int, files: int = 1) -> None:
    """The new files' extents, which are counted in sectors of their volumes, are used."""
    parts = printed.split("FILE 0 ")[1:]
    assert len(parts) == files
    for part in parts:
        start = int(re.findall(r"^\d+ linear \S+ (\d+)", part)[0]) + below
        extents = re.findall(r"^ *\d+: +\d+\.\. *\d+: +(\d+)\.\. *(\d+):", part, re.MULTILINE)
        assert extents
        for first, last in extents:
            extent = Range((int(first) + start) * 512, (int(last) + 1 - int(first)) * 512)
            assert overlap(used, extent) == extent.length


def test_installed_machine_that_runs():
    [machine] = (m for m in MACHINES if m.name == "uefi-gpt-lvm-xfs")
    live = LIVE.replace("/mnt/mirrored/$volume/new", "/root/new").replace(
        "mirrored-$volume", "sys-root"
    )
    script = live.replace("sda sdb", "vda").replace("root data", "root").replace("sda1", "vda3")
    printed = record.run_script(machine, record.installed(machine), script.encode())
    [line] = re.findall(r"^PLAN (.*)$", printed, re.MULTILINE)
    found = json.loads(line)
    assert found["doubts"] == {}
    assert found["free"]["sys/root"] > 1000 * MIB
    used = [Range(offset, size) for offset, size in found["used"]]
    expect_copied(printed, used, below=place_of("PARTITION", printed))
