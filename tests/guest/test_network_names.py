"""Cards in a real system's hands: its kernel, its initramfs, its udev, and what we wrote.

Not its whole start: only what names cards runs, as process 1, and says how they are called.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from rehost.stages.convert.network import Wish, rewrite
from tests.guest.source import Installed, install
from tests.machines.build.guest import disk_image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "loop", "ext4", "debootstrap", "qemu-system-x86_64", "qemu-img"),
]
FIRST, SECOND = "52:54:00:00:01:01", "52:54:00:00:01:02"
LIMIT_S = 900
INIT = """\
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() {
    for i in /sys/class/net/*/device; do
        d=${i%/device}; echo "$1 ${d##*/} $(cat "$d/address")"
    done
}
say initramfs
/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add --subsystem-match=net
udevadm settle
say udev
if [ -e /etc/systemd/rehost-net-names ]; then sh /etc/systemd/rehost-net-names; fi
udevadm settle
say service
echo o >/proc/sysrq-trigger
sleep 60
"""
SYSTEM = {
    "/usr/lib/systemd/systemd": b"",
    "/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": b"",
}
Names = dict[str, str]


@pytest.fixture(scope="module")
def source() -> Installed:
    return install("bios-mbr-plain")


def first_partition(image: Path) -> int:
    printed = subprocess.check_output(["sfdisk", "--json", image])
    return int(json.loads(printed)["partitiontable"]["partitions"][0]["start"]) * 512


def lay(image: Path, folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Write files into the system, and take its kernel and initramfs out."""
    root = folder / "root"
    root.mkdir()
    offset = first_partition(image)
    subprocess.run(["mount", "-o", f"loop,offset={offset}", image, root], check=True)
    try:
        for path, content in files.items():
            there = root / path.removeprefix("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(content or b"")
        (root / "names-init").write_text(INIT)
        (root / "names-init").chmod(0o755)
        for name in ("vmlinuz", "initrd.img"):
            newest = max((root / "boot").glob(f"{name}-*"))
            (folder / name).write_bytes(newest.read_bytes())
    finally:
        subprocess.run(["umount", root], check=True)


def start(source: Installed, folder: Path, wish: Wish, arguments: str) -> dict[str, Names]:
    """How cards are called after each step."""
    image = folder / "disk.img"
    subprocess.run(["cp", "--sparse=always", disk_image(source.folder, 0), image], check=True)
    lay(image, folder, rewrite(SYSTEM, wish).files)
    console = folder / "console.log"
    command = [
        "qemu-system-x86_64",
        "-nodefaults",
        "-display",
        "none",
        "-accel",
        "tcg",
        "-m",
        "512",
    ]
    command += ["-serial", f"file:{console}", "-no-reboot"]
    command += ["-kernel", f"{folder}/vmlinuz", "-initrd", f"{folder}/initrd.img"]
    # On a busy host an emulated timer may look broken.
    command += [
        "-append",
        f"root=/dev/vda1 rw console=ttyS0 no_timer_check panic=-1 init=/names-init {arguments}",
    ]
    command += ["-drive", f"if=virtio,format=raw,cache=unsafe,file={image}"]
    for number, mac in enumerate((FIRST, SECOND)):
        command += ["-netdev", f"user,id=n{number},restrict=on"]
        command += ["-device", f"virtio-net-pci,netdev=n{number},mac={mac}"]
    try:
        subprocess.run(command, check=True, timeout=LIMIT_S)
    finally:
        image.unlink()
    said = re.findall(
        r"^(initramfs|udev|service) (\S+) ([0-9a-f:]{17})\s*$", console.read_text(), re.MULTILINE
    )
    steps: dict[str, Names] = {"initramfs": {}, "udev": {}, "service": {}}
    for step, name, mac in said:
        steps[step][name] = mac
    print(steps)
    return steps


@pytest.mark.parametrize("arguments", ["net.ifnames=0", ""])
def test_cards_that_the_kernel_finds_the_other_way_round(source, tmp_path, arguments):
    names = {"eth0": SECOND, "eth1": FIRST}
    assert start(source, tmp_path, Wish(names=names), arguments)["service"] == names


def test_cards_whose_slots_give_them_each_others_names(source, tmp_path):
    by_slot = start(source, tmp_path, Wish(), "")["udev"]
    one, two = by_slot
    names = {one: by_slot[two], two: by_slot[one]}
    (tmp_path / "again").mkdir()
    assert start(source, tmp_path / "again", Wish(names=names), "")["service"] == names


def test_one_card_that_was_elsewhere_needs_no_service(source, tmp_path):
    steps = start(source, tmp_path, Wish(names={"ens192": SECOND}), "")
    assert steps["udev"]["ens192"] == SECOND
