"""Files of many sizes on a filesystem, and what a copy of the used ranges makes of them."""

import hashlib
import os
import random
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from rehost.model.ranges import Range
from tests.blockdev.conftest import run

MIB = 1 << 20
SIZES = (0, 1, 100, 4095, 4096, 4097, 70_000, 300_000, 3 * MIB, 9 * MIB)


def fill(root: Path, total: int, seed: int = 1) -> None:
    """Writes about `total` bytes of noise in files of all sizes."""
    chance = random.Random(seed)
    written = number = 0
    while written < total:
        size = chance.choice(SIZES)
        folder = root / f"d{seed}-{number % 20}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number}").write_bytes(chance.randbytes(size))
        written, number = written + size, number + 1


def delete_some(root: Path, share: float = 0.6, seed: int = 2) -> None:
    chance = random.Random(seed)
    for path in sorted(root.rglob("f*")):
        if chance.random() < share:
            path.unlink()


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def copy(source: str, target: str, ranges: Iterable[Range]) -> None:
    """Only these ranges; both ends bypass caches, as the sender does."""
    subprocess.run(["blockdev", "--flushbufs", source, target], check=False, capture_output=True)
    with Path(source).open("rb") as old, Path(target).open("r+b") as new:
        for r in ranges:
            at = r.offset
            while at < r.end:
                size = min(r.end - at, 8 * MIB)
                part = os.pread(old.fileno(), size, at)
                assert len(part) == size
                assert os.pwrite(new.fileno(), part, at) == size
                at += size
        os.fsync(new.fileno())
    subprocess.run(["blockdev", "--flushbufs", target], check=False, capture_output=True)


def length(ranges: Iterable[Range]) -> int:
    return sum(r.length for r in ranges)


def overlap(ranges: Iterable[Range], other: Range) -> int:
    """Bytes of `other` that the ranges cover."""
    return sum(max(0, min(r.end, other.end) - max(r.offset, other.offset)) for r in ranges)


def extents(path: Path) -> list[Range]:
    """Where a file is on its device."""
    printed = run("filefrag", "-e", "-b1", path)
    found = re.findall(r"^ *\d+: +\d+\.\. *\d+: +(\d+)\.\. *(\d+):", printed, re.MULTILINE)
    assert found
    return [Range(int(a), int(b) + 1 - int(a)) for a, b in found]
