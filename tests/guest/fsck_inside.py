"""Check every filesystem on disk images, which are not changed: for the system's own Python, which
has libguestfs. Says what is wrong, and ends with 1 then.

    python3 fsck_inside.py IMAGE...
"""

import sys

import guestfs

# In libguestfs's appliance, which has each program's own view of a disk that only it writes.
CHECKS = {
    "ext4": ["e2fsck", "-fn"],
    "xfs": ["xfs_repair", "-n"],
    "btrfs": ["btrfs", "check", "--readonly"],
    "vfat": ["fsck.vfat", "-n"],
}


def main(images: list[str]) -> int:
    inside = guestfs.GuestFS(python_return_dict=True)
    for image in images:
        inside.add_drive_opts(image, format="raw", readonly=1)
    inside.launch()
    found = wrong = 0
    for device, kind in sorted(inside.list_filesystems().items()):
        if kind in CHECKS:
            command = " ".join([*CHECKS[kind], device])
            said = inside.debug("sh", [f"{command} 2>&1; echo ended with $?"])
            fine = said.rstrip().endswith("ended with 0")
            print(f"{device} {kind} {'is sound' if fine else said}")
            found, wrong = found + 1, wrong + (not fine)
    inside.close()
    return 0 if found and not wrong else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
