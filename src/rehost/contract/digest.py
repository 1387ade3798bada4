"""BLAKE3-256, of what a disk holds. Needs the package blake3: the agent's basic commands do not."""

from functools import lru_cache

from blake3 import blake3


def digest(content: memoryview | bytes) -> bytes:
    return blake3(content).digest()


@lru_cache(maxsize=4096)
def digest_of_zeros(length: int) -> bytes:
    return digest(bytes(length))
