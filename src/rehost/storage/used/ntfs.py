"""Free clusters of NTFS, from the file $Bitmap. Format: the kernel's fs/ntfs3/ntfs.h.

One that is mounted, dirty, hibernated or has a log to replay is used as a whole.
"""

from collections.abc import Iterator

from rehost.model.ranges import Range
from rehost.storage import ntfs
from rehost.storage.content import expect, number
from rehost.storage.used.ntfs_files import (
    VOLUME_INFORMATION,
    Attribute,
    Layout,
    Record,
    content_at,
    fixed,
    parse_layout,
    record_of,
)
from rehost.storage.used.ranges import GRAIN, zero_runs
from rehost.storage.used.volume import Read, Volume

MFT, LOG, VOLUME, ROOT, BITMAP, BOOT = 0, 2, 3, 5, 6, 7
IS_DIRTY = 0x0001
LOG_PAGE = 4096
NO_CLIENT, VOLUME_IS_CLEAN = 0xFFFF, 0x2
AT_ONCE = 1 << 20  # bytes of the bitmap
INDEX_ROOT, INDEX_ALLOCATION = 0x90, 0xA0
HIBERNATION_FILE = "hiberfil.sys".encode("utf-16-le")
TO_NAME = 82  # bytes of an index entry before the name; the first 6 are the file's number
LONGEST_INDEX = 4 << 20


def free(volume: Volume) -> Iterator[Range]:
    """In bytes, in order. Raises an Error where anything is in doubt."""
    expect(not volume.is_mounted, "it is mounted")
    read = volume.read
    layout = parse_layout(read(ntfs.OFFSET, ntfs.SIZE), size=volume.size)
    mft = record_of(read, layout, None, MFT)
    of = {n: record_of(read, layout, mft, n) for n in (LOG, VOLUME, ROOT, BITMAP, BOOT)}
    _expect_clean(of[VOLUME])
    _expect_no_log(content_at(read, layout, of[LOG].data, 0, 2 * LOG_PAGE))
    _expect_not_hibernated(read, layout, mft, of[ROOT])
    bitmap = of[BITMAP].data
    for known in (mft.data, bitmap, of[LOG].data, of[BOOT].data):
        _expect_used(read, layout, bitmap, known)
    yield from _zeros(read, layout, bitmap)


def _expect_clean(record: Record) -> None:
    [information] = record.find(VOLUME_INFORMATION)
    expect(information.value is not None and len(information.value) >= 12, "a broken volume")
    expect(not number(information.value or b"", 10, 2) & IS_DIRTY, "it is marked dirty")


def _expect_no_log(head: bytes) -> None:
    """Two restart pages say whether somebody has the log in use; a new log is blank."""
    if head == b"\xff" * len(head):
        return
    pages = [head[:LOG_PAGE], head[LOG_PAGE:]]
    areas = []
    for page in (fixed(page, b"RSTR") for page in pages if page.startswith(b"RSTR")):
        at = number(page, 24, 2)
        expect(at + 16 <= len(page), "a broken log")
        areas.append(page[at : at + 16])
    expect(len(areas) == len(pages), "a broken log")
    latest = max(areas, key=lambda area: number(area, 0, 8))
    unused = number(latest, 12, 2) == NO_CLIENT or number(latest, 14, 2) & VOLUME_IS_CLEAN
    expect(bool(unused), "its log was not replayed")


def _expect_not_hibernated(read: Read, layout: Layout, mft: Record, root: Record) -> None:
    """Windows, asleep or started fast, knows more than the disk: then its file has a head."""
    for kind in (INDEX_ROOT, INDEX_ALLOCATION):
        for index in root.find(kind):
            expect(index.size <= LONGEST_INDEX, "a long root folder")
            names = content_at(read, layout, index, 0, index.size)
            at = names.lower().find(HIBERNATION_FILE)
            while at >= 0:
                expect(at >= TO_NAME, "a broken folder")
                file = record_of(read, layout, mft, number(names, at - TO_NAME, 6)).data
                head = content_at(read, layout, file, 0, min(file.size, LOG_PAGE))
                expect(not any(head), "Windows hibernates")
                at = names.lower().find(HIBERNATION_FILE, at + 1)


def _expect_used(read: Read, layout: Layout, bitmap: Attribute, known: Attribute) -> None:
    """The bitmap has no count to compare it with, but these clusters must be in it."""
    for run in known.runs:
        first, last = run.cluster // 8, (run.cluster + run.length - 1) // 8
        expect(last - first < AT_ONCE, "a long run of metadata")
        raw = content_at(read, layout, bitmap, first, last - first + 1)
        bits = int.from_bytes(raw, "little") >> run.cluster % 8
        whole = (1 << run.length) - 1
        expect(bits & whole == whole, "the bitmap calls metadata free")


def _zeros(read: Read, layout: Layout, bitmap: Attribute) -> Iterator[Range]:
    size = -(-layout.clusters // 8)
    expect(bitmap.size >= size, "its bitmap is too short")
    least = max(1, GRAIN // layout.cluster // 8)
    for at in range(0, size, AT_ONCE):
        raw = content_at(read, layout, bitmap, at, min(AT_ONCE, size - at))
        for run in zero_runs(raw, least=least):
            start = at * 8 + run.offset
            length = min(run.length, layout.clusters - start)
            yield Range(start * layout.cluster, length * layout.cluster)
