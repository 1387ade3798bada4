"""Damaged disks: whatever is in a structure, the plan is made, and is one of this disk."""

import functools
import os
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehost.storage.used.disk import plan

MIB = 1 << 20
PAGE = 4096
TABLE = "label: gpt\n1MiB,8MiB,L\n20MiB,10MiB,S\n"
LOGICAL = """label: dos
p1: start=1MiB, size=8MiB, type=83
p2: start=10MiB, size=50MiB, type=5
p5: size=5MiB, type=83
"""
MAKERS = {
    "ext4": (16, ["mke2fs", "-q", "-F", "-t", "ext4"], ""),
    "ext3": (16, ["mke2fs", "-q", "-F", "-t", "ext3", "-g", "1024"], ""),
    "xfs": (300, ["mkfs.xfs", "-q"], ""),
    "btrfs": (120, ["mkfs.btrfs", "-q"], ""),
    "ntfs": (16, ["mkntfs", "-F", "-Q", "-q"], ""),
    "swap": (16, ["mkswap"], ""),
    "gpt": (64, ["sfdisk", "-q"], TABLE),
    "mbr": (64, ["sfdisk", "-q"], LOGICAL),
}
Damage = list[tuple[int, int, bytes]]  # which page that is not empty, where in it, what


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    for name, (size, argv, script) in MAKERS.items():
        image = folder / name
        with image.open("wb") as file:
            file.truncate(size * MIB)
        done = subprocess.run([*argv, image], input=script, text=True, check=False)
        if done.returncode:
            image.unlink()
    return {path.name: path for path in folder.iterdir()}


@functools.cache
def pages(image: Path) -> list[int]:
    """Offsets of those that are not empty."""
    found, at = [], 0
    with image.open("rb") as file:
        while page := file.read(PAGE):
            if any(page):
                found.append(at)
            at += PAGE
    return found


@pytest.mark.needs("mke2fs", "mkfs.xfs", "mkfs.btrfs", "mkntfs", "mkswap", "sfdisk")
@pytest.mark.parametrize("name", MAKERS)
@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    damage=st.lists(
        st.tuples(
            st.integers(0, 200),
            st.integers(0, PAGE - 8),
            st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from([b"\xff" * 8, bytes(8)])),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_damaged_disk(images: dict[str, Path], name: str, damage: Damage):
    image = images[name]
    size = image.stat().st_size
    places = pages(image)
    fd = os.open(image, os.O_RDWR)
    before = []
    try:
        for page, at, new in damage:
            offset = places[page % len(places)] + at
            before.append((os.pread(fd, len(new), offset), offset))
            os.pwrite(fd, new, offset)
        used = plan(str(image)).used
    finally:
        for old, offset in reversed(before):
            os.pwrite(fd, old, offset)
        os.close(fd)
    assert all(0 <= r.offset < r.end <= size for r in used)
    assert all(a.end < b.offset for a, b in pairwise(used))
