"""What a sender may take of the source's memory, and what it does without where that is little."""

from typing import NamedTuple

MB = 1_000_000
HELD = 64 << 20  # what was changed last is read into memory while everything stands still
BASE = 50 * MB  # measured: Python, modules, the maps of what is used
CONNECTION = 10 * MB  # buffers, and zstd's tables of the highest level


class Memory(NamedTuple):
    """`held`: of blocks that were read at the cut and are not sent yet, in bytes."""

    connections: int
    held: int


def shared_out(limit: int | None, *, connections: int, cache: int | None) -> Memory:
    """At least one connection, whatever the limit; what it leaves is for the cut, up to `cache`.

    What cannot be held then is sent at once, while those who write wait.
    """
    held = HELD if cache is None else cache
    if limit is None:
        return Memory(connections, held)
    spare = max(0, limit - BASE)
    fitting = max(1, min(connections, spare // 2 // CONNECTION))
    return Memory(fitting, min(held, max(0, spare - fitting * CONNECTION)))
