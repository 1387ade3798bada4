"""Opens a copied system with libguestfs, and reads and writes its files as it is told.

Run by the system's own Python, which has the module `guestfs`; nothing of Rehost is imported.
A request is a line of JSON on standard input, an answer one on standard output; bytes are base64.
What libguestfs says goes to standard error. The end of input ends it.
"""

from __future__ import annotations  # it runs on Pythons that are older than Rehost's

import base64
import ctypes
import json
import os
import posixpath
import signal
import sys
from typing import Any

try:
    import guestfs
except ImportError:
    guestfs = None

# Where the files to change are. What else is mounted in the system stays closed.
NEEDED = ("/", "/boot", "/etc", "/usr", "/var", "/var/lib")
WELCOME = ("/boot/efi", "/efi")
NEW = ".rehost-new"
LOCKS = "ia"
PR_SET_PDEATHSIG = 1


class Wrong(Exception):
    """A kind, for the program that asked, and a sentence."""


class System:
    """The one on the disks that ran on the source, mounted in an appliance."""

    def __init__(self) -> None:
        self.g: Any = None

    def open(
        self, disks: list[dict[str, Any]], root: dict[str, str], names: dict[str, str]
    ) -> dict[str, str]:
        """`root` has the uuid and subvolume that are expected, each "" if not known.

        `names` are UUIDs of devices that the system's fstab names as only its old machine does.
        """
        if guestfs is None:
            raise Wrong("missing", "python3-guestfs is not installed")
        self.g = g = guestfs.GuestFS(python_return_dict=True)
        g.set_trace(True)
        for disk in disks:
            options = {"blocksize": disk["sector"]} if disk["sector"] != 512 else {}
            g.add_drive_opts(disk["path"], format=disk["format"], **options)
        g.launch()
        found = self._choose(g.inspect_os(), root)
        self._mount(found, names)
        g.set_trace(False)  # contents of files, and keys, are not for the log
        return {"root": found}

    def _choose(self, roots: list[str], wanted: dict[str, str]) -> str:
        if not roots:
            raise Wrong("no system", self._seen())
        fitting = [r for r in roots if self._fits(r, wanted)] if len(roots) > 1 else roots
        if len(fitting) != 1:
            raise Wrong("no system", f"there are several: {', '.join(sorted(roots))}")
        return fitting[0]

    def _fits(self, root: str, wanted: dict[str, str]) -> bool:
        if not wanted["uuid"]:
            return True
        device, subvolume = self._parts(root)
        same = self.g.vfs_uuid(device) == wanted["uuid"]
        return same and subvolume == wanted["subvolume"].strip("/")

    def _parts(self, root: str) -> tuple[str, str]:
        """Device and subvolume of "btrfsvol:DEVICE/SUBVOLUME", or of a device."""
        kind, _, path = root.partition(":")
        if kind != "btrfsvol":
            return root, self._default(root)
        devices = [d for d in self.g.list_filesystems() if path.startswith(d + "/")]
        device = max(devices, key=len)
        return device, path[len(device) + 1 :]

    def _default(self, device: str) -> str:
        """The path of what is mounted where no subvolume is named; "" is the top."""
        if self.g.vfs_type(device) != "btrfs":
            return ""
        default = self.g.btrfs_subvolume_get_default(device)
        subvolumes = self.g.btrfs_subvolume_list(device)
        found = (s for s in subvolumes if s["btrfssubvolume_id"] == default)
        return next((s["btrfssubvolume_path"] for s in found), "")

    def _seen(self) -> str:
        found = sorted(f"{name} ({kind})" for name, kind in self.g.list_filesystems().items())
        return f"there are {', '.join(found)}" if found else "they are empty"

    def _mount(self, root: str, names: dict[str, str]) -> None:
        # A system may not say, or not truly, where its own root is: the kernel was told.
        self._mount_one(root, "/")
        points = {**self.g.inspect_get_mountpoints(root), **self._renamed(names)}
        for point in sorted(points.keys() - {"/"}, key=len):
            if point in NEEDED + WELCOME:
                self._mount_one(points[point], point)

    def _renamed(self, names: dict[str, str]) -> dict[str, str]:
        """Where there is what libguestfs knows no device for, or that of another machine."""
        if not self.g.is_file("/etc/fstab", followsymlinks=True):
            return {}
        text = self._untraced("/etc/fstab").decode(errors="replace")
        entries = [words for words in map(str.split, text.splitlines()) if len(words) > 3]
        found = {}
        for name, point, _, options in (words[:4] for words in entries if words[0] in names):
            if point in NEEDED + WELCOME:
                try:
                    found[point] = self._at(names[name], options.split(","))
                except RuntimeError:
                    continue  # libguestfs may know better
        return found

    def _untraced(self, path: str) -> bytes:
        """While the rest is traced: there may be passwords in it, of network filesystems."""
        self.g.set_trace(False)
        try:
            content: bytes = self.g.read_file(path)
        finally:
            self.g.set_trace(True)
        return content

    def _at(self, uuid: str, options: list[str]) -> str:
        """A device, or a subvolume as libguestfs calls it."""
        device: str = self.g.findfs_uuid(uuid)
        named = [o[len("subvol=") :].strip("/") for o in options if o.startswith("subvol=")]
        return f"btrfsvol:{device}/{named[-1]}" if named else device

    def _mount_one(self, device: str, point: str) -> None:
        try:
            self.g.mount(device, point)
        except RuntimeError as e:
            if point in NEEDED:
                raise Wrong("failed", f"mounting {point} of the system: {e}") from e

    def read(self, path: str) -> str | None:
        """None if it is no file."""
        if not self.g.is_file(path, followsymlinks=True):
            return None
        return base64.b64encode(self.g.read_file(path)).decode()

    def write(self, path: str, content: str, mode: int) -> None:
        """All or nothing. A file that is there keeps its owner, mode and labels."""
        real, is_new = self._place(path)
        self.g.write(real + NEW, base64.b64decode(content))
        if is_new:
            self.g.chmod(mode, real + NEW)
            self._label(posixpath.dirname(real), real + NEW)
        else:
            self.g.copy_attributes(real, real + NEW, all=True)
        flags = "" if is_new else self._unlock(real)
        self.g.rename(real + NEW, real)
        if flags:
            self.g.set_e2attrs(real, flags)

    def _unlock(self, real: str) -> str:
        """Take the flags off (chattr +i, +a) with which nothing could replace it; which they were.

        Others than ext filesystems may have none to tell.
        """
        try:
            flags = "".join(flag for flag in self.g.get_e2attrs(real) if flag in LOCKS)
        except RuntimeError:
            return ""
        if flags:
            self.g.set_e2attrs(real, flags, clear=True)
        return flags

    def _place(self, path: str) -> tuple[str, bool]:
        """Where a file really is, and whether it has to be made, its folder too."""
        if self.g.is_file(path, followsymlinks=True):
            return self.g.realpath(path), False
        folder = posixpath.dirname(path)
        if not self.g.is_dir(folder, followsymlinks=True):
            self._make(folder)
        if self.g.is_symlink(path):
            self.g.rm(path)
        return posixpath.join(self.g.realpath(folder), posixpath.basename(path)), True

    def _make(self, folder: str) -> None:
        parent = posixpath.dirname(folder)
        if not self.g.is_dir(parent, followsymlinks=True):
            self._make(parent)
        self.g.mkdir_mode(folder, 0o755)
        self._label(parent, folder)

    def _label(self, folder: str, path: str) -> None:
        """What SELinux would do: a new file has the label of its folder."""
        for attribute in self.g.lgetxattrs(self.g.realpath(folder)):
            if attribute["attrname"] == "security.selinux":
                value = attribute["attrval"]
                value = value.decode() if isinstance(value, bytes) else value
                # It ends in a zero byte, which Python cannot hand over but C's texts have.
                label = value.rstrip("\0")
                self.g.lsetxattr("security.selinux", label, len(value), path)

    def remove(self, path: str) -> None:
        if self.g.is_file(path):
            self._unlock(path)
        self.g.rm_f(path)

    def glob(self, pattern: str) -> list[str]:
        found: list[str] = self.g.glob_expand(pattern)
        return found

    def close(self) -> None:
        """Everything is on the disks."""
        self.g.umount_all()
        self.g.shutdown()
        self.g.close()


def answer(system: System, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"answer": getattr(system, request.pop("do"))(**request)}
    except Wrong as e:
        return {"wrong": e.args[0], "said": e.args[1]}
    except Exception as e:  # whatever it is, the other side has to know
        return {"wrong": "failed", "said": str(e) or type(e).__name__}


def end_with_parent() -> None:
    """Also if the other was killed: nobody would wait for this one, and it holds the disks."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def main() -> None:
    end_with_parent()
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    system = System()
    for line in sys.stdin:
        print(json.dumps(answer(system, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
