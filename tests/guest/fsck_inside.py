"""Check every filesystem on disk images, which are not changed: for the system's own Python, which
has libguestfs. Says what is wrong, and ends with 1 then.

    python3 fsck_inside.py IMAGE...
"""

import re
import sys

import guestfs

# In libguestfs's appliance, which has each program's own view of a disk that only it writes.
CHECKS = {
    "ext4": ["e2fsck", "-fn"],
    "xfs": ["xfs_repair", "-n"],
    "btrfs": ["btrfs", "check", "--readonly"],
    "vfat": ["fsck.vfat", "-n"],
}
# A vfat that is mounted says so on the disk, and cannot be frozen: that is no damage.
IN_USE = re.compile(
    r"fsck\.fat [^\n]*\n"
    r"Dirty bit is set\. [^\n]*\n Automatically removing dirty bit\.\n\n?"
    r"(Leaving filesystem unchanged\.\n)?[^\n]*: \d+ files, \d+/\d+ clusters\n"
)


def main(images: list[str]) -> int:
    inside = guestfs.GuestFS(python_return_dict=True)
    for image in images:
        inside.add_drive_opts(image, format="raw", readonly=1)
    inside.launch()
    found = wrong = 0
    for device, kind in sorted(filesystems(inside).items()):
        if kind in CHECKS:
            if kind == "xfs":
                # A frozen one leaves what a crash would be recovered from, as any log.
                inside.mount(device, "/")
                inside.umount("/")
            command = " ".join([*CHECKS[kind], device])
            said = inside.debug("sh", [f"{command} 2>&1; echo ended with $?"])
            text = said.rpartition("ended with")[0]
            fine = said.rstrip().endswith("ended with 0") or bool(IN_USE.fullmatch(text))
            print(f"{device} {kind} {'is sound' if fine else said}")
            found, wrong = found + 1, wrong + (not fine)
    inside.close()
    return 0 if found and not wrong else 1


def filesystems(inside: guestfs.GuestFS) -> dict[str, str]:
    """Devices and what they are; libguestfs lists each subvolume of a btrfs, not its device."""
    devices = [
        *inside.list_partitions(),
        *inside.list_devices(),
        *inside.lvs(),
        *inside.list_md_devices(),
    ]
    found = {}
    for name, kind in inside.list_filesystems().items():
        path = name.removeprefix("btrfsvol:")
        fitting = [d for d in devices if path == d or path.startswith(f"{d}/")]
        found[max(fitting, key=len) if fitting else path] = kind
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
