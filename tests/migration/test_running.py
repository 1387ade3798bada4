"""A disk that is in use is migrated while it is written, and arrives as it was at one moment."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from tests.migration.rig import MIB, set_limit

pytestmark = pytest.mark.needs("root", "loop", "ext4")


def run(*argv):
    subprocess.run([str(word) for word in argv], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def mounted(tmp_path):
    """A disk with a filesystem, and where it is mounted."""
    image, folder = tmp_path / "disk.img", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(256 * MIB)
    run("mkfs.ext4", "-q", image)
    with contextlib.ExitStack() as cleanup:
        argv = ["losetup", "--find", "--show", str(image)]
        device = subprocess.check_output(argv, text=True).strip()
        cleanup.callback(run, "losetup", "--detach", device)
        run("mount", device, folder)
        cleanup.callback(run, "umount", folder)
        yield Path(device), folder


class Writer:
    """Writes files, one after the other, each durable before the next; removes old ones."""

    def __init__(self, folder):
        self.durable = {}
        self._folder = folder
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _write(self):
        number = 0
        while not self._ended.wait(0.02):
            content, name = os.urandom(20_000), f"file-{number:06}"
            with (self._folder / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self.durable[name] = hashlib.sha256(content).hexdigest()
            if number >= 1000:
                (self._folder / f"file-{number - 1000:06}").unlink()
            number += 1


def files_of(image, folder):
    folder.mkdir()
    run("mount", "-o", "loop", image, folder)
    try:
        found = sorted(folder.glob("file-*"))
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in found}
    finally:
        run("umount", folder)


def test_a_disk_is_migrated_while_it_is_written(tmp_path, mounted, make_service, make_machine):
    device, folder = mounted
    (folder / "old").write_bytes(os.urandom(30 * MIB))
    machine = make_machine(make_service(), device)
    with Writer(folder) as writer:
        task_id = machine.task(speed_limit=80)
        machine.until_copied(task_id, 10 * MIB)
        early = set(writer.durable)
        machine.kill()
        machine.start()
        set_limit(machine, task_id, 0)
        task = machine.until_ended(task_id)
        late = dict(writer.durable)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    target = shutil.copy(machine.target(task_id), tmp_path / "copy")
    run("e2fsck", "-fn", target)
    arrived = files_of(target, tmp_path / "look")
    whole = {name for name, digest in arrived.items() if late.get(name) == digest}
    # All that was written before the cut, and of one moment: none is missing between others.
    assert max(whole) > max(early)
    last = int(max(whole)[5:])
    kept = {f"file-{number:06}" for number in range(max(0, last - 999), last + 1)}
    assert kept <= whole
    assert machine.rig.shown(machine.source_id)["state"] == "finished"
