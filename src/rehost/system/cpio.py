"""The names in an initramfs.

Format: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst: cpio archives
("newc") one after the other, padded with zeros; the last one is usually compressed. Names are read
as a stream; neither the archive nor a file in it is ever held in memory.
"""

import bz2
import gzip
import lzma
import os
import re
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import IO, Protocol

from rehost.errors import BadFormat

Decompressor = Callable[[Sequence[str], IO[bytes]], AbstractContextManager[IO[bytes]]]


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


HEADER = 110  # bytes: a magic of 6, then 13 hexadecimal numbers of 8 digits
LAST = "TRAILER!!!"
CHUNK = 1 << 18
NAME_LIMIT = 4096

BUILT_IN: dict[bytes, Callable[[IO[bytes]], Stream]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"\xfd7zXZ\0": lzma.LZMAFile,
    b"\x5d\0\0": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}
TOOLS = {
    b"\x28\xb5\x2f\xfd": ("zstd", "-dcq"),
    b"\x02\x21\x4c\x18": ("lz4", "-dcq"),
    b"\x89LZO": ("lzop", "-dcq"),
}


def names(file: IO[bytes], decompressor: Decompressor, *, deadline: float) -> Iterator[str]:
    """The names in all archives of `file`, which must be a seekable file.

    `decompressor` starts a program that decompresses the file from where it stands. Raises
    BadFormat, and TimeoutError after `deadline` (time.monotonic()).
    """
    rest = yield from _archives(file, deadline)
    if rest:
        file.seek(-len(rest), 1)
        with _decompressed(file, rest, decompressor) as inner:
            yield from _archives(inner, deadline)


def matching(found: Iterator[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The names in which a pattern is found, until each pattern was found once."""
    wanted, matched = [re.compile(p) for p in patterns], list[str]()
    unmatched = set(wanted)
    with closing(found):  # type: ignore[type-var]
        for name in found:
            hits = [p for p in wanted if p.search(name)]
            if hits:
                matched.append(name)
                unmatched.difference_update(hits)
            if not unmatched:
                break
    return tuple(matched)


def _archives(stream: Stream, deadline: float) -> Generator[str, None, bytes]:
    """Yield the names of all archives; return the bytes of what follows that is none."""
    ended = False
    while magic := _after_padding(stream):
        if not magic.startswith((b"070701", b"070702")):
            return magic
        name, size = _member(stream, magic)
        ended = name == LAST
        if not ended:
            yield name
        _skip(stream, size + -size % 4, deadline)
    # A program that cannot decompress it prints nothing.
    if not ended:
        raise BadFormat("the initramfs ends too early")
    return b""


def _member(stream: Stream, magic: bytes) -> tuple[str, int]:
    """The name of the next file, and the size of its content."""
    header = _exactly(stream, HEADER - len(magic))
    name_size, file_size = (_number(header, at) for at in (88, 48))
    if name_size > NAME_LIMIT:
        raise BadFormat("a name in the initramfs is too long")
    # Header and name together, and the content, each end at a multiple of 4 bytes.
    name = _exactly(stream, name_size + -(HEADER + name_size) % 4)[:name_size]
    return name.rstrip(b"\0").decode(errors="replace"), file_size


def _after_padding(stream: Stream) -> bytes:
    """The next 6 bytes after any zeros, fewer at the end. What is padded starts at 4 bytes."""
    while (word := stream.read(4)) == b"\0\0\0\0":
        pass
    return word + stream.read(2) if word else b""


def _number(header: bytes, at: int) -> int:
    try:
        return int(header[at : at + 8], 16)
    except ValueError as e:
        raise BadFormat("a header in the initramfs is damaged") from e


def _exactly(stream: Stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BadFormat("the initramfs ends too early")
    return data


def _skip(stream: Stream, size: int, deadline: float) -> None:
    while size > 0:
        if time.monotonic() > deadline:
            raise TimeoutError("it takes too long to unpack")
        size -= len(_exactly(stream, min(size, CHUNK)))


@contextmanager
def _decompressed(file: IO[bytes], magic: bytes, decompressor: Decompressor) -> Iterator[Stream]:
    try:
        for start, open_stream in BUILT_IN.items():
            if magic.startswith(start):
                yield open_stream(file)
                return
    except (zlib.error, lzma.LZMAError, EOFError) as e:
        raise BadFormat(f"the initramfs is damaged: {e}") from e
    for start, argv in TOOLS.items():
        if magic.startswith(start):
            os.lseek(file.fileno(), file.tell(), os.SEEK_SET)
            with decompressor(argv, file) as stream:
                yield stream
            return
    raise BadFormat(f"the initramfs begins with {magic.hex()}, no format known here")
