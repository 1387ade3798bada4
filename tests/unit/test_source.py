import os
from pathlib import Path

import pytest

from rehost.model.ranges import Range
from rehost.stages.replicate.source import Source
from rehost.stream_errors import SourceResized, SourceUnreadable

SIZE = 1 << 20
SECTOR = 512


@pytest.fixture
def image(tmp_path: Path) -> Path:
    image = tmp_path / "disk.img"
    image.write_bytes(os.urandom(SIZE))
    return image


@pytest.fixture
def source(image: Path):
    source = Source(0, "/dev/vda", image)
    yield source
    source.close()


def read(source: Source, offset: int, length: int) -> bytes:
    content = bytearray(length)
    source.read(offset, memoryview(content))
    return bytes(content)


def test_what_is_held_is_as_it_was_in_every_part_of_it(source, image):
    before = image.read_bytes()
    # Of lengths that are no multiples of a page, so that none may run into the next.
    held = [Range(0, 9 * SECTOR), Range(8192, 5 * SECTOR), Range(65536, 131072)]
    source.hold(held)
    image.write_bytes(bytes(SIZE))
    for item in held:
        assert read(source, item.offset, item.length) == before[item.offset : item.end]
        for offset in range(item.offset, item.end, SECTOR):
            assert read(source, offset, SECTOR) == before[offset : offset + SECTOR]
    assert read(source, 65536 + 4096, 8192) == before[65536 + 4096 : 65536 + 12288]


def test_what_is_not_held_as_a_whole_is_read_from_the_disk(source, image):
    source.hold([Range(4096, 4096), Range(12288, 4096)])
    image.write_bytes(bytes(SIZE))
    for offset, length in ((0, 4096), (8192, 4096), (0, 8192), (4096, 8192), (16384, 4096)):
        assert read(source, offset, length) == bytes(length)


def test_what_was_released_is_read_from_the_disk(source, image):
    source.hold([Range(0, 4096)])
    source.release()
    image.write_bytes(bytes(SIZE))
    assert read(source, 0, 4096) == bytes(4096)


def test_what_is_held_anew_is_read_anew(source, image):
    source.hold([Range(0, 4096)])
    image.write_bytes(bytes(SIZE))
    source.hold([Range(0, 4096)])
    assert read(source, 0, 4096) == bytes(4096)


def test_several_places_are_read_at_once_held_or_not(source, image):
    before = image.read_bytes()
    source.hold([Range(65536, 65536)])
    with image.open("r+b") as file:
        file.write(os.urandom(SIZE))
    now = image.read_bytes()
    places = [(at, memoryview(bytearray(4096))) for at in range(0, SIZE, 32768)]
    source.read_all(places)
    for at, view in places:
        wanted = before if 65536 <= at < 131072 else now
        assert view == wanted[at : at + 4096], at


def test_one_of_several_places_that_cannot_be_read_is_told(source, image):
    os.truncate(image, SIZE - 4096)
    views = [memoryview(bytearray(4096)) for _ in range(3)]
    with pytest.raises(SourceUnreadable) as caught:
        source.read_all(list(zip((0, SIZE - 4096, 4096), views, strict=True)))
    assert caught.value.details["offset"] == SIZE - 4096
    assert views[2] == image.read_bytes()[4096:8192]
    with pytest.raises(SourceUnreadable):
        source.hold([Range(0, 4096), Range(SIZE - 8192, 8192)])
    assert read(source, 0, 4096) == image.read_bytes()[:4096]


def test_it_counts_what_it_reads_from_the_disk(source):
    source.hold([Range(0, 4096), Range(8192, 4096)])
    read(source, 0, 4096)
    size, seconds = source.reading
    assert size == 8192
    assert seconds > 0


@pytest.mark.parametrize("size", [SIZE - 4096, SIZE + 4096])
def test_a_disk_of_another_size_is_not_copied_on(source, image, size):
    source.expect_same_size()
    os.truncate(image, size)
    with pytest.raises(SourceResized, match=f"{size} bytes now, and had {SIZE}"):
        source.expect_same_size()
