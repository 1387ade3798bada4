"""Trackers and the cut on the kernels of Debian 11, 12 and 13: 5.10, 6.1 and 6.12.

Downloads a kernel with apt, and keeps it. Four to six minutes for each without hardware help.
"""

import subprocess
from pathlib import Path

import pytest

from tests.guest import kernels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "qemu-system-x86_64", "apt-get", "mkfs.ext4", "sfdisk", "depmod"),
]
MIB = 1 << 20
SCRIPT = Path(__file__).with_name("track_inside.py")
WRITTEN = [[0, 65536], [131072, 131072], [9 * MIB, 65536]]
TRACKERS = ("typed", "recorded", "swapped", "blktrace")
DISKS = ("/dev/vda", "/dev/nvme1n1")


@pytest.fixture
def disks(tmp_path: Path) -> list[str]:
    arguments = []

    def disk(name: str, size: int, device: str, more: str = "") -> Path:
        image = tmp_path / name
        with image.open("wb") as file:
            file.truncate(size)
        drive = f"if=none,id={name},format=raw,discard=unmap,cache=unsafe,file={image}{more}"
        arguments.extend(["-drive", drive, "-device", f"{device},drive={name},serial={name}"])
        return image

    disk("n1", 256 * MIB, "nvme")
    disk("a", 256 * MIB, "virtio-blk-pci")
    parted = disk("b", 64 * MIB, "virtio-blk-pci")
    table = b"label: dos\nstart=2048, size=65536, type=c\n"
    subprocess.run(["sfdisk", "-q", parted], input=table, check=True)
    # A write waits for 10 ms, a read does not: a block can be read before its write ends.
    disk("c", 64 * MIB, "virtio-blk-pci", ",throttling.iops-write=100")
    disk("d", 64 * MIB, "virtio-blk-pci")
    return arguments


@pytest.mark.parametrize("suite", kernels.SUITES)
def test_changes_are_tracked_and_the_root_is_frozen(suite: str, tmp_path: Path, disks: list[str]):
    found = kernels.run_inside(suite, SCRIPT, tmp_path, disks)
    best = found["chosen"]["best"]
    assert {disk: choice[0] for disk, choice in best.items()} == {
        "/dev/vda": "ebpf-mmap",
        "/dev/nvme1n1": "ebpf-mmap",
        "/dev/vdb1": "ebpf-mmap",
        "/dev/ram0": "rescan",  # takes bios, and makes no requests
    }
    for allowed in ("ebpf-lookup", "blktrace", "rescan"):
        assert found["chosen"][allowed]["/dev/vda"][0] == allowed
    for tracker in TRACKERS:
        assert [found[f"taken {tracker} {disk}"] for disk in DISKS] == [WRITTEN, WRITTEN]
        assert found[f"discards {tracker}"] == 0
        assert found[f"fire {tracker} /dev/vdd"] == 0
    assert found["fire typed /dev/nvme1n1"] == 0
    assert found["slow"] == 0
    # Without the event of completion, blocks are lost on this disk: 34 on 6.1.
    assert found["mutated"] > 0
    before, meanwhile, after = found["left"]
    assert before == after < meanwhile
    assert found["root"]["frozen"] == ["/"]
    assert found["root"]["skipped"] == [
        ["/dev/vda", "swap"],
        ["/mnt", "this filesystem cannot be frozen"],
    ]
