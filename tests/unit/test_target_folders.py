import resource
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from rehost.provider_errors import CloneStopped, NoSpaceForTarget, TargetDiskLost, TargetStorage
from rehost.providers.base import DiskSpec
from rehost.providers.folders import ServerFolders
from rehost.providers.null import NullProvider
from tests.conformance.provider import SPEC


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A filesystem for three files or folders beside its root."""
    options = "size=64k,nr_inodes=4"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.needs("root", "mount")
def test_full_disk_is_said_and_create_goes_on_once_there_is_space(tiny):
    folders = ServerFolders(tiny / "targets")
    (tiny / "in-the-way").touch()
    with pytest.raises(NoSpaceForTarget, match="make space") as failure:
        folders.create(SPEC)
    assert failure.value.retryable
    subprocess.run(["mount", "-o", "remount,nr_inodes=100", tiny], check=True)
    assert [disk.path.exists() for disk in folders.create(SPEC).disks] == [True, True]


def test_file_that_the_filesystem_cannot_hold_is_said(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(TargetStorage, match="as large as the disk"):
            ServerFolders(tmp_path).create(SPEC)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_delete_leaves_what_others_put_there(tmp_path):
    folders = ServerFolders(tmp_path)
    server = folders.create(SPEC)
    notes = server.disks[0].path.with_name("notes.txt")
    notes.write_text("mine")
    folders.delete(server.id)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["notes.txt"]
    assert folders.find(server.id) is None
    folders.create(SPEC)
    assert notes.read_text() == "mine"


def test_targets_are_told_while_they_change_and_go(tmp_path):
    provider, stopping = NullProvider(tmp_path), Event()

    def change() -> None:
        while not stopping.is_set():
            provider.create(replace(SPEC, cpus=2))
            provider.create(SPEC)
            provider.delete(SPEC.task_id)

    provider.create(replace(SPEC, task_id="other"))
    changing = Thread(target=change)
    changing.start()
    try:
        found = [{one.server.id for one in provider.inventory()} for _ in range(3000)]
    finally:
        stopping.set()
        changing.join()
    assert all("other" in ids for ids in found)


def test_links_in_the_place_of_a_server_are_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "server.json").write_text("precious")
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / SPEC.task_id).symlink_to(tmp_path / "elsewhere")
    folders = ServerFolders(tmp_path / "targets")
    for call in (lambda: folders.create(SPEC), lambda: folders.delete(SPEC.task_id)):
        with pytest.raises(TargetStorage):
            call()
    assert (tmp_path / "elsewhere" / "server.json").read_text() == "precious"


def test_damaged_record_is_said(tmp_path):
    server = ServerFolders(tmp_path).create(SPEC)
    (tmp_path / server.id / "server.json").write_text("{")
    with pytest.raises(TargetStorage, match="damaged"):
        ServerFolders(tmp_path).create(SPEC)


def test_a_link_in_the_place_of_a_disk_is_not_a_disk(tmp_path):
    server = ServerFolders(tmp_path).create(SPEC)
    disk = server.disks[0].path
    disk.rename(tmp_path / "moved")
    disk.symlink_to(tmp_path / "moved")
    with pytest.raises(TargetDiskLost):
        ServerFolders(tmp_path).create(SPEC)


def test_sectors_of_4096_bytes_are_kept(tmp_path):
    spec = replace(SPEC, disks=(DiskSpec(name="sda", size=1 << 20, sector_size=4096),))
    ServerFolders(tmp_path).create(spec)
    with ServerFolders(tmp_path).held(spec.task_id) as (record, _):
        assert record.spec == spec


def test_clone_that_was_stopped_is_no_server_in_the_way(tmp_path):
    folders = ServerFolders(tmp_path)
    origin = folders.create(SPEC)
    for disk in origin.disks:
        disk.path.write_bytes(b"migrated" * 512)
    with pytest.raises(CloneStopped):
        folders.clone(origin.id, "try-1", stopped=lambda: True)
    whole = folders.clone(origin.id, "try-1")
    assert {disk.path.read_bytes() for disk in whole.disks} == {b"migrated" * 512}
    folders.delete("try-1")
    with pytest.raises(CloneStopped):
        folders.clone(origin.id, "try-1", stopped=lambda: True)
    folders.delete("try-1")
    assert [server.spec.task_id for server, _ in folders.all()] == [origin.id]
