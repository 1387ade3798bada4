"""Debian systems of several ages, in namespaces: their files and their systemd, our kernel.

Each is installed once into $REHOST_CACHE; a test gets a copy of it. Its root is a
folder of this machine's, so to the agent this machine's disk is the one that the system is on.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("REHOST_CACHE", "/var/tmp/rehost-cache")) / "debian"
MIRROR = "http://deb.debian.org/debian"
START_S = 120
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CGROUPS = Path("/sys/fs/cgroup")
# Kernel interfaces, which are the machine's in every listing.
KERNEL = ("dev", "proc", "run", "sys", "tmp")
# In the namespaces of its own: what a container has, and no more devices.
BOOT = r"""set -eu
root=$1
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for folder in run tmp; do mount -t tmpfs tmpfs "$root/$folder"; done
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
for disk in /sys/block/*; do
    case ${disk##*/} in
        loop* | ram*) ;;
        *) cp -a "/dev/${disk##*/}"* "$root/dev/" ;;
    esac
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/run/old"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
hostname debian
cd "$root"
pivot_root . run/old
umount -l /run/old
rmdir /run/old
exec env -i container=rehost "PATH=$2" /lib/systemd/systemd --log-target=null
"""


def installed(suite: str, packages: tuple[str, ...]) -> Path:
    """The root of a minimal system, which nobody may change."""
    digest = hashlib.sha256(" ".join((suite, *packages)).encode()).hexdigest()[:12]
    root = CACHE / f"{suite}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            making = root.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            include = f"--include={','.join(packages)}"
            argv = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", include]
            subprocess.run([*argv, suite, str(making), MIRROR], check=True)
            making.rename(root)
    return root


def copied(root: Path, place: Path) -> Path:
    """A system like `root` that may be changed."""
    _run(["cp", "-a", "--reflink=auto", f"{root}/.", str(place)])
    return place


def listing(root: Path) -> dict[str, tuple[int, int, int, str]]:
    """Every file, folder and link, with its mode, owners and content."""
    found = {}
    for folder, folders, files in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in KERNEL]
        for name in (*folders, *files):
            path = Path(folder, name)
            about = path.lstat()
            if path.is_symlink():
                content = str(path.readlink())
            else:
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path.relative_to(root))] = (
                about.st_mode,
                about.st_uid,
                about.st_gid,
                content,
            )
    return found


def run_inside(root: Path, *words: str) -> str:
    """A program in the files of a system that does not run."""
    mounts = f"mount --bind {root} {root} && mount -t proc proc {root}/proc"
    script = f'{mounts} && exec chroot {root} env -i PATH={PATH} "$@"'
    return _run(["unshare", "--mount", "sh", "-c", script, "sh", *words])


@dataclass(frozen=True, slots=True)
class Machine:
    """One that runs; `pid` is its systemd's."""

    root: Path
    pid: int

    def run(self, *words: str) -> str:
        return _run([*self._enter(), *words])

    def try_(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*self._enter(), *words], check=False, capture_output=True, text=True)

    def _enter(self) -> list[str]:
        into = ["nsenter", "--all", "--root", "--wd", f"--target={self.pid}"]
        return [*into, "env", "-i", "HOME=/root", f"PATH={PATH}"]


@contextmanager
def running(root: Path, *, name: str, address: str, host: str) -> Iterator[Machine]:
    """Start a system; it has `address` and reaches this machine at `host`, and nothing else."""
    with ExitStack() as cleanup:
        pid = _boot(root, name, cleanup)
        _connect(name, pid, address, host, cleanup)
        machine = Machine(root, pid)
        until = time.monotonic() + START_S
        while True:
            state = machine.try_("systemctl", "is-system-running").stdout.strip()
            if state in ("running", "degraded"):
                break
            assert time.monotonic() < until, f"it does not start: {state}"
            time.sleep(0.2)
        yield machine


def _boot(root: Path, name: str, cleanup: ExitStack) -> int:
    tree = CGROUPS if (CGROUPS / "cgroup.procs").exists() else CGROUPS / "unified"
    group = tree / name
    group.mkdir(exist_ok=True)
    cleanup.callback(_remove_groups, group)
    kinds = ("mount", "pid", "uts", "ipc", "net", "cgroup")
    own = [f"--{kind}" for kind in kinds]
    # The group must be entered before there is a namespace of it.
    script = 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"'
    unshare = ["unshare", *own, "--fork", "--kill-child", "--propagation=private"]
    argv = ["sh", "-c", script, "sh", str(group), *unshare, "sh", "-c", BOOT, "sh", str(root), PATH]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    cleanup.callback(process.wait)
    cleanup.callback(process.kill)  # and with it, systemd and all below
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until = time.monotonic() + START_S
    while True:
        assert process.poll() is None, "its namespaces cannot be made"
        for child in children.read_text().split():
            # Until then it is the shell that makes the mounts.
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        assert time.monotonic() < until
        time.sleep(0.05)


def _connect(name: str, pid: int, address: str, host: str, cleanup: ExitStack) -> None:
    ours, theirs = f"{name[:11]}-o", f"{name[:11]}-i"
    ends = ["name", theirs, "netns", str(pid)]
    _run(["ip", "link", "add", ours, "type", "veth", "peer", *ends])
    cleanup.callback(subprocess.run, ["ip", "link", "delete", ours], check=False)
    _run(["ip", "address", "add", f"{host}/24", "dev", ours])
    _run(["ip", "link", "set", ours, "up"])
    inside = ["nsenter", f"--target={pid}", "--net", "ip"]
    _run([*inside, "address", "add", f"{address}/24", "dev", theirs])
    for link in ("lo", theirs):
        _run([*inside, "link", "set", link, "up"])


def _remove_groups(group: Path) -> None:
    until = time.monotonic() + START_S
    for folder, _, _ in os.walk(group, topdown=False):
        while True:
            try:
                Path(folder).rmdir()
                break
            except OSError:  # its processes are being ended
                assert time.monotonic() < until
                time.sleep(0.05)


def _run(argv: list[str]) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout
