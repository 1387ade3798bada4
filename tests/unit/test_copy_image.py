import os
import subprocess

import pytest

from rehost.provider_errors import CloneStopped
from rehost.providers import copy
from rehost.providers.copy import copy_image

MIB = 1 << 20
SIZE = 300 * MIB


def make(path):
    with path.open("wb") as file:
        file.truncate(SIZE)
        for at in (0, 100 * MIB + 4096, SIZE - 4096):
            file.seek(at)
            file.write(os.urandom(4096))


def check(folder):
    make(folder / "from")
    (folder / "to").write_bytes(b"old" * MIB)
    copy_image(folder / "from", folder / "to")
    assert (folder / "from").read_bytes() == (folder / "to").read_bytes()
    assert (folder / "to").stat().st_blocks * 512 < MIB


def test_holes_stay_holes(tmp_path, monkeypatch):
    monkeypatch.setattr(copy, "STEP", 1000)
    check(tmp_path)


def test_it_is_stopped_between_two_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(copy, "STEP", 1000)
    make(tmp_path / "from")
    asked = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(CloneStopped):
        copy_image(tmp_path / "from", tmp_path / "to", stopped=stopped)
    first = (tmp_path / "from").read_bytes()[:4096]
    assert (tmp_path / "to").read_bytes()[:4096] == first[:2000] + bytes(2096)


@pytest.mark.needs("root", "loop", "xfs")
def test_blocks_are_shared_where_the_filesystem_can(tmp_path):
    image, mount = tmp_path / "xfs.img", tmp_path / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(512 * MIB)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        check(mount)
        shared = subprocess.run(
            ["filefrag", "-v", mount / "to"], check=True, capture_output=True, text=True
        )
        assert "shared" in shared.stdout
    finally:
        subprocess.run(["umount", mount], check=True)
