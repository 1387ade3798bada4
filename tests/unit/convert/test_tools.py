"""Programs that are missing, fail, hang, or are stopped: who runs the service must know why."""

import contextlib
import errno
import os
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rehost.convert_errors import (
    ConversionFailed,
    ConversionStopped,
    ConversionTimedOut,
    ConversionToolMissing,
    NotConvertible,
    VirtV2vFailed,
)
from rehost.providers.base import DiskFormat, TargetDisk
from rehost.stages.convert import Plan, check, convert, guest, run, virt_v2v
from rehost.stages.convert.network import Wish
from rehost.stages.convert.virt_v2v import domain, rebuild

EDITS = Plan(reasons=(), hostname="db2", old_hostname="db1")
PRECAUTION = Plan(reasons=(), network=Wish(names={"eth0": "52:54:00:12:34:56"}), keeps_all=True)
# A libguestfs that has no files.
ANSWERS = """while read -r line; do case $line in
*'"open"'*) echo '{"answer": {"root": "/dev/sda1"}}';;
*'"glob"'*) echo '{"answer": []}';;
*) echo '{"answer": null}';;
esac; done"""


@pytest.fixture
def boot(tmp_path, monkeypatch):
    folder = tmp_path / "boot"
    folder.mkdir()
    (folder / "vmlinuz-6.1").touch()
    monkeypatch.setattr(guest, "BOOT", folder)
    return folder


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def python(tmp_path, monkeypatch, boot):
    """Puts a program in the place of the system's Python."""

    def use(script: str) -> None:
        monkeypatch.setattr(guest, "PYTHON", program(tmp_path / "python3", script))

    return use


@pytest.fixture
def v2v(tmp_path, monkeypatch):
    """Puts a program in the place of virt-v2v-in-place."""

    def use(script: str) -> None:
        program(tmp_path / virt_v2v.PROGRAM, script)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return use


def converted(tmp_path, plan=EDITS, stopped=lambda: False) -> tuple[str, ...]:
    return convert([], plan, accelerated=False, log=tmp_path / "log", stopped=stopped)


def rebuilt(tmp_path, stopped=lambda: False) -> tuple[str, ...]:
    return rebuild([], "/dev/sda1", accelerated=True, log=tmp_path / "log", stopped=stopped)


def test_nothing_planned_is_nothing_run(tmp_path, python):
    python("exit 1")
    assert converted(tmp_path, Plan(reasons=("it is well",))) == ()
    assert not (tmp_path / "log").exists()


def test_what_is_refused_is_not_tried(tmp_path, python):
    python("exit 1")
    with pytest.raises(NotConvertible, match="because"):
        converted(tmp_path, Plan(reasons=(), refused="because"))


def test_python_module_is_missing(tmp_path, monkeypatch, boot):
    monkeypatch.setattr(guest, "PYTHON", Path(sys.executable))
    with pytest.raises(ConversionToolMissing, match="python3-guestfs"):
        converted(tmp_path)


def test_kernel_is_missing(tmp_path, boot):
    (boot / "vmlinuz-6.1").unlink()
    with pytest.raises(ConversionToolMissing, match="linux-image"):
        converted(tmp_path)


def test_precaution_is_not_taken_where_tools_are_missing(tmp_path, monkeypatch, boot):
    monkeypatch.setattr(guest, "PYTHON", Path(sys.executable))
    check(PRECAUTION)
    (said,) = converted(tmp_path, PRECAUTION)
    assert "cloud-init was not kept from the network" in said
    assert "python3-guestfs" in said
    (boot / "vmlinuz-6.1").unlink()
    assert converted(tmp_path, PRECAUTION) == (said,)
    with pytest.raises(ConversionToolMissing):
        check(replace(PRECAUTION, hostname="db2"))


def test_precaution_that_fails_is_an_error(tmp_path, python):
    python("exit 3")
    with pytest.raises(ConversionFailed, match="status 3"):
        converted(tmp_path, PRECAUTION)


def test_kernel_elsewhere_is_none_of_ours(monkeypatch, boot):
    (boot / "vmlinuz-6.1").unlink()
    monkeypatch.setenv("SUPERMIN_KERNEL", "/srv/vmlinuz")
    guest.check_tools()
    assert guest.environment(accelerated=True)["SUPERMIN_KERNEL"] == "/srv/vmlinuz"


def test_emulation_is_forced_where_hardware_would_hang():
    settings = "LIBGUESTFS_BACKEND_SETTINGS"
    assert guest.environment(accelerated=False)[settings] == "force_tcg"
    assert settings not in guest.environment(accelerated=True)


def test_tools_are_asked_for_before_they_are_needed(tmp_path, monkeypatch, boot, python):
    check(Plan(reasons=()))
    with pytest.raises(NotConvertible):
        check(Plan(reasons=(), refused="because"))
    python("exit 0")
    check(EDITS)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConversionToolMissing, match="virt-v2v"):
        check(Plan(reasons=(), virt_v2v=True))
    python("exit 1")
    with pytest.raises(ConversionToolMissing, match="python3-guestfs"):
        check(EDITS)
    (boot / "vmlinuz-6.1").unlink()
    with pytest.raises(ConversionToolMissing, match="kernel"):
        check(EDITS)


def test_libguestfs_dies(tmp_path, python):
    python("exit 3")
    with pytest.raises(ConversionFailed, match="status 3"):
        converted(tmp_path)


def test_libguestfs_hangs(tmp_path, python, monkeypatch):
    monkeypatch.setattr(guest, "OPEN_LIMIT_S", 0.2)
    python(f"sleep 300 & echo $! >{tmp_path}/pid; wait")
    with pytest.raises(ConversionTimedOut):
        converted(tmp_path)
    assert_gone(tmp_path / "pid")


def test_stopped_while_libguestfs_works(tmp_path, python):
    pid = tmp_path / "pid"
    python(f"sleep 300 & echo $! >{pid}; wait")
    with pytest.raises(ConversionStopped):
        converted(tmp_path, stopped=lambda: pid.exists() and bool(pid.read_text()))
    assert_gone(pid)


@pytest.mark.parametrize("plan", [EDITS, replace(EDITS, virt_v2v=True)])
def test_a_full_disk_is_told_as_one(tmp_path, python, v2v, monkeypatch, plan):
    pid = tmp_path / "pid"
    waits = f"sleep 300 & echo $! >{pid}; wait"
    python(ANSWERS if plan.virt_v2v else waits)
    v2v(waits)
    full = tmp_path / "full"
    full.mkdir()

    def free(folder):
        return run.LEAST - (folder == full and pid.exists() and bool(pid.read_text()))

    monkeypatch.setattr(run, "_free", free)
    disks = [TargetDisk(name="a", size=1, path=full / "a.qcow2")]
    with pytest.raises(OSError, match="No space left") as caught:
        convert(disks, plan, accelerated=False, log=tmp_path / "log")
    assert caught.value.errno == errno.ENOSPC
    assert_gone(pid)


def test_a_filesystem_that_tells_no_sizes_is_not_full(tmp_path, python):
    assert os.statvfs("/proc").f_blocks == 0
    python(ANSWERS)
    disks = [TargetDisk(name="a", size=1, path=Path("/proc/a.qcow2"))]
    assert convert(disks, EDITS, accelerated=False, log=tmp_path / "log")


def test_virt_v2v_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConversionToolMissing, match="virt-v2v"):
        rebuilt(tmp_path)


def test_what_virt_v2v_did_is_kept(tmp_path, v2v):
    v2v(
        'echo "[   0.0] Setting up the source: $*"; echo "[  12.5] Converting Debian"; '
        'echo "virt-v2v-in-place: This guest has virtio drivers installed."; echo odd >&2; '
        'echo "virt-v2v-in-place: warning: no space" >&2'
    )
    (tmp_path / "log").write_text("virt-v2v-in-place: warning: of an earlier time\n")
    assert rebuilt(tmp_path) == (
        "virt-v2v-in-place: Converting Debian",
        "virt-v2v-in-place: This guest has virtio drivers installed.",
        "virt-v2v-in-place: warning: no space",
    )
    log = (tmp_path / "log").read_text()
    assert f"source: -i libvirtxml {tmp_path}/log.xml --root /dev/sda1" in log
    assert "odd" in log
    assert "Converting Debian" in log
    assert sorted(path.name for path in tmp_path.glob("log*")) == ["log"]


def test_virt_v2v_says_why_it_fails(tmp_path, v2v):
    v2v('printf "virt-v2v-in-place: error: no\\nloader\\n\\nIf reporting bugs\\n" >&2; exit 1')
    with pytest.raises(VirtV2vFailed, match=r"failed: no loader$"):
        rebuilt(tmp_path)


def test_stopped_while_virt_v2v_works(tmp_path, v2v):
    pid = tmp_path / "pid"
    v2v(f"sleep 300 & echo $! >{pid}; wait")
    with pytest.raises(ConversionStopped):
        rebuilt(tmp_path, stopped=lambda: pid.exists() and bool(pid.read_text()))
    assert_gone(pid)


def test_description_for_virt_v2v_names_each_disk():
    disks = [
        TargetDisk(name="a", size=1, path=Path('/d/"x"&.qcow2'), format=DiskFormat.QCOW2),
        TargetDisk(name="b", size=1, path=Path("/d/b.img")),
    ]
    text = domain(disks)
    assert "type='qcow2'/><source file='/d/\"x\"&amp;.qcow2'/><target dev='sda'" in text
    assert "type='raw'/><source file=\"/d/b.img\"/><target dev='sdb'" in text


def test_more_disks_than_letters_are_counted_as_the_kernel_does():
    disk = TargetDisk(name="a", size=1, path=Path("/d/a.img"))
    names = re.findall(r"target dev='(\w+)'", domain([disk] * 703))
    assert [names[i] for i in (25, 26, 27, 51, 52, 701, 702)] == [
        *("sdz", "sdaa", "sdab", "sdaz", "sdba", "sdzz", "sdaaa")
    ]


def assert_gone(pid: Path) -> None:
    """Killed; nobody may have waited for it yet."""
    stat = Path(f"/proc/{int(pid.read_text())}/stat")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while stat.read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.05)
