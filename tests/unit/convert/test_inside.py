"""Where a system's filesystems are mounted, and how its files are replaced."""

import pytest

from rehost.stages.convert.inside import System, Wrong

FSTAB = b"""\
# /boot was on /dev/nvme0n1p2
/dev/nvme0n1p2 /boot ext4 defaults 0 2
/dev/disk/by-path/x /var btrfs noatime,subvol=/@var 0 0
/dev/nvme0n1p9 /usr ext4 defaults 0 0
/dev/nvme0n1p8 /srv ext4 defaults 0 0
"""


class Guestfs:
    """libguestfs, as far as it is needed: `devices` are those of the appliance, by UUID."""

    def __init__(self, points: dict[str, str], devices: dict[str, str]):
        self.points, self.devices = points, devices
        self.mounted: dict[str, str] = {}
        self.flags: dict[str, str] = {}
        self.done: list[str] = []
        self.is_traced = True
        self.traced: list[str] = []

    def inspect_get_mountpoints(self, root: str) -> dict[str, str]:
        return {"/": "wrong", **self.points}

    def mount(self, device: str, point: str) -> None:
        if "nvme" in device or "by-path" in device:
            raise RuntimeError(f"{device}: no such file")
        self.mounted[point] = device

    def is_file(self, path: str, *, followsymlinks: bool = False) -> bool:
        return True

    def set_trace(self, trace: bool) -> None:
        self.is_traced = trace

    def read_file(self, path: str) -> bytes:
        self.traced += [path] if self.is_traced else []
        return FSTAB

    def findfs_uuid(self, uuid: str) -> str:
        if uuid not in self.devices:
            raise RuntimeError("not found")
        return self.devices[uuid]

    def realpath(self, path: str) -> str:
        return path

    def write(self, path: str, content: bytes) -> None: ...

    def copy_attributes(self, old: str, new: str, **which: bool) -> None: ...

    def rename(self, old: str, new: str) -> None:
        if "i" in self.flags.get(new, ""):
            raise RuntimeError("Operation not permitted")
        self.done.append(f"rename {new}")

    def rm_f(self, path: str) -> None:
        if "i" in self.flags.get(path, ""):
            raise RuntimeError("Operation not permitted")
        self.done.append(f"remove {path}")

    def get_e2attrs(self, path: str) -> str:
        if path not in self.flags:
            raise RuntimeError("not supported")
        return self.flags[path]

    def set_e2attrs(self, path: str, flags: str, *, clear: bool = False) -> None:
        old = "".join(f for f in self.flags[path] if f not in flags)
        self.flags[path] = old if clear else old + flags


def mounted(points: dict[str, str], devices: dict[str, str], names: dict[str, str]):
    system = System()
    system.g = Guestfs(points, devices)
    system._mount("/dev/sda1", names)
    return system.g.mounted


NAMES = {
    "/dev/nvme0n1p2": "b",
    "/dev/disk/by-path/x": "v",
    "/dev/nvme0n1p9": "gone",
    "/dev/nvme0n1p8": "s",
}


def test_what_fstab_names_by_hardware_is_mounted_by_its_uuid():
    points = {"/boot": "/dev/nvme0n1p2", "/var": "/dev/disk/by-path/x", "/usr": "/dev/sda4"}
    devices = {"b": "/dev/sda2", "v": "/dev/sdb", "s": "/dev/sda8"}
    assert mounted(points, devices, NAMES) == {
        "/": "/dev/sda1",
        "/boot": "/dev/sda2",
        "/var": "btrfsvol:/dev/sdb/@var",
        "/usr": "/dev/sda4",
    }
    assert mounted({"/boot": "/dev/sda9"}, devices, NAMES)["/boot"] == "/dev/sda2"


def test_passwords_in_fstab_are_not_in_the_log_but_what_is_mounted_is():
    system = System()
    system.g = Guestfs({}, {"b": "/dev/sda2"})
    system._mount("/dev/sda1", NAMES)
    assert system.g.mounted["/boot"] == "/dev/sda2"
    assert system.g.traced == []
    assert system.g.is_traced


def test_what_is_not_found_and_needed_is_an_error():
    with pytest.raises(Wrong):
        mounted({"/boot": "/dev/nvme0n1p2"}, {}, NAMES)


def test_files_that_nothing_may_change_are_changed_and_locked_again():
    system = System()
    system.g = Guestfs({}, {})
    system.g.flags = {"/etc/hosts": "ei", "/etc/old": "i"}
    system.write("/etc/hosts", "", 0o644)
    system.write("/etc/fstab", "", 0o644)
    system.remove("/etc/old")
    assert system.g.done == ["rename /etc/hosts", "rename /etc/fstab", "remove /etc/old"]
    assert system.g.flags["/etc/hosts"] == "ei"
