"""A machine's answers, recorded and replayed. transcript.py describes the format.

Passwords and keys that a kernel command line, a mount option or a LUKS header may hold are left
out of a recording.
"""

import shlex
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rehost.errors import CommandMissing, FileMissing, HostError
from rehost.system import transcript
from rehost.system.host import READ_LIMIT, Host, Space

T = TypeVar("T")

FILE = "host.txt"


class RecordingHost:
    """Passes questions on to `host` and remembers what it answered, errors included."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._answers: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(transcript.dump(self._answers).encode(errors="replace"))

    def run(self, argv: Sequence[str], *, ok: Sequence[int] = (0,)) -> str:
        return self._ask(("run", *argv), lambda: self._host.run(argv, ok=ok), transcript.write_text)

    def which(self, program: str) -> str | None:
        return self._ask(("which", program), lambda: self._host.which(program), _write_word)

    def read(self, path: str, *, offset: int = 0, size: int = READ_LIMIT) -> bytes:
        return self._ask(
            _reading(path, offset, size),
            lambda: self._host.read(path, offset=offset, size=size),
            transcript.write_bytes,
        )

    def grep(self, path: str, pattern: str) -> tuple[str, ...]:
        return self._ask(
            ("grep", path, pattern),
            lambda: self._host.grep(path, pattern),
            transcript.write_lines,
        )

    def entries(self, folder: str) -> tuple[str, ...]:
        return self._ask(
            ("entries", folder), lambda: self._host.entries(folder), transcript.write_lines
        )

    def resolve(self, path: str) -> str:
        return self._ask(("resolve", path), lambda: self._host.resolve(path), _write_word)

    def space(self, mount_point: str) -> Space:
        return self._ask(
            ("space", mount_point), lambda: self._host.space(mount_point), _write_space
        )

    def packed(self, archive: str, patterns: Sequence[str]) -> tuple[str, ...]:
        return self._ask(
            ("packed", archive, *patterns),
            lambda: self._host.packed(archive, patterns),
            transcript.write_lines,
        )

    def can_bpf(self) -> bool:
        return self._ask(("can_bpf",), self._host.can_bpf, _write_word)

    def _ask(self, words: Sequence[str], ask: Callable[[], T], write: Callable[[T], str]) -> T:
        try:
            answer = ask()
        except HostError as e:
            self._remember(words, transcript.write_error(e))
            raise
        self._remember(words, write(answer))
        return answer

    def _remember(self, words: Sequence[str], answer: str) -> None:
        with self._lock:
            answers = self._answers.setdefault(shlex.join(words), [])
            if answers[-1:] != [answer]:
                answers.append(answer)


class RecordedHost:
    """Answers from a folder that RecordingHost saved, or that somebody wrote by hand.

    A file, folder or program that the recording does not mention does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._answers = transcript.load((folder / FILE).read_bytes().decode())
        self._lock = threading.Lock()

    def run(self, argv: Sequence[str], *, ok: Sequence[int] = (0,)) -> str:
        del ok  # An exit status that was not ok was recorded as an error.
        return transcript.read_text(self._answer(("run", *argv), CommandMissing(argv[0])))

    def which(self, program: str) -> str | None:
        return (*transcript.read_lines(self._answer(("which", program), None)), None)[0]

    def read(self, path: str, *, offset: int = 0, size: int = READ_LIMIT) -> bytes:
        answer = self._answer(_reading(path, offset, size), FileMissing(path))
        return transcript.read_bytes(answer)

    def grep(self, path: str, pattern: str) -> tuple[str, ...]:
        return transcript.read_lines(self._answer(("grep", path, pattern), FileMissing(path)))

    def entries(self, folder: str) -> tuple[str, ...]:
        return transcript.read_lines(self._answer(("entries", folder), FileMissing(folder)))

    def resolve(self, path: str) -> str:
        return transcript.read_lines(self._answer(("resolve", path), FileMissing(path)))[0]

    def space(self, mount_point: str) -> Space:
        answer = self._answer(("space", mount_point), FileMissing(mount_point))
        return _read_space(transcript.read_lines(answer)[0])

    def packed(self, archive: str, patterns: Sequence[str]) -> tuple[str, ...]:
        question = ("packed", archive, *patterns)
        return transcript.read_lines(self._answer(question, FileMissing(archive)))

    def can_bpf(self) -> bool:
        return transcript.read_lines(self._answer(("can_bpf",), None)) == ("True",)

    def _answer(self, words: Sequence[str], unknown: HostError | None) -> str:
        with self._lock:
            answers = self._answers.get(shlex.join(words), [])
            if not answers and unknown:
                raise unknown
            return answers.pop(0) if len(answers) > 1 else "".join(answers)


def _reading(path: str, offset: int, size: int) -> tuple[str, ...]:
    whole = (offset, size) == (0, READ_LIMIT)
    return ("read", path) if whole else ("read", path, str(offset), str(size))


def _write_word(word: object) -> str:
    return transcript.write_lines([] if word is None else [str(word)])


def _write_space(s: Space) -> str:
    return f"\t{s.block_size} {s.blocks} {s.free} {s.available} {s.files}\n"


def _read_space(line: str) -> Space:
    block_size, blocks, free, available, files = (int(word) for word in line.split())
    return Space(block_size=block_size, blocks=blocks, free=free, available=available, files=files)
