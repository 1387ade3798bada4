"""Reading what a program prints, within limits of time and size."""

import selectors
import time
from collections.abc import Sequence
from typing import IO

OUTPUT_LIMIT = 16 << 20  # bytes
CHUNK = 1 << 16  # bytes


def drain(pipes: Sequence[IO[bytes]], deadline: float) -> list[str]:
    """Read all pipes to their ends. Raises TimeoutError, or OverflowError for too much output.

    `deadline` is a value of time.monotonic().
    """
    read: dict[object, bytearray] = {pipe: bytearray() for pipe in pipes}
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in _ready(selector, deadline):
                part = key.fileobj.read1(CHUNK)  # type: ignore[union-attr]
                read[key.fileobj] += part
                if not part:
                    selector.unregister(key.fileobj)
                if len(read[key.fileobj]) > OUTPUT_LIMIT:
                    raise OverflowError(f"it printed more than {OUTPUT_LIMIT} bytes")
    return [bytes(text).decode(errors="replace") for text in read.values()]


def _ready(
    selector: selectors.BaseSelector, deadline: float
) -> list[tuple[selectors.SelectorKey, int]]:
    ready = selector.select(max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError
    return ready
