"""A copied system whose files are in a dictionary."""

import fnmatch
from collections.abc import Mapping


class MemoryGuest:
    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = {path: text.encode() for path, text in files.items()}
        self.modes: dict[str, int] = {}
        self.written: list[str] = []

    def text(self, path: str) -> str:
        return self.files[path].decode()

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        self.modes[path] = mode
        self.files[path] = content
        self.written.append(path)

    def remove(self, path: str) -> None:
        self.files.pop(path, None)

    def glob(self, pattern: str) -> tuple[str, ...]:
        return tuple(sorted(path for path in self.files if fnmatch.fnmatchcase(path, pattern)))
