"""What a source does while it is migrated: a service in the machine, with Python alone.

Number after number: a file, a line of a log, and a row of a database. A number is told to the test
when all three are durable; so whoever has the row has the line, and who has the line has the file.
"""

import hashlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
LOG = Path("/var/lib/load/log")
KEPT = 200  # files: older ones are removed again
PAUSE_S = 0.2  # emulated, the machine has other things to do, too
NAME = re.compile(r"(\d{8})-([0-9a-f]{16})")
LINE = re.compile(r"(\d+) (\S+) (\d+)")
PSQL = ("runuser", "-u", "postgres", "--", "psql", "-qAtX", "-v", "ON_ERROR_STOP=1")
QUIET = {"PGOPTIONS": "-c client_min_messages=warning"}


def run(files: Path, host: str, port: int) -> None:
    files.mkdir(parents=True, exist_ok=True)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    witness = socket.create_connection((host, port), timeout=60)
    witness.sendall(f"{BOOT}\n".encode())
    database = Database()
    with LOG.open("a") as log:
        log.write("\n")  # a line that a crash cut short stays alone
        number = 1 + max((0, *files_found(files), *lines_found(), *database.numbers()))
        while True:
            write_file(files, number)
            write_line(log.fileno(), number)
            database.insert(number)
            witness.sendall(f"{number}\n".encode())
            number += 1
            time.sleep(PAUSE_S)


def write_file(files: Path, number: int) -> None:
    """Under a name that has the digest of what is in it, once that is durable."""
    content = f"{BOOT}\n".encode() + random.randbytes(random.randrange(64 << 10))
    path = files / f"{number:08}-{digest(content)}"
    new = files / "new"
    with new.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    new.rename(path)
    remove_before(files, number - KEPT + 1)
    folder = os.open(files, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def remove_before(files: Path, number: int) -> None:
    """The lowest first, so that there is never a gap."""
    for old, path in sorted(files_found(files).items()):
        if old < number:
            path.unlink()


def write_line(fd: int, number: int) -> None:
    said = f"{number} {BOOT}"
    os.write(fd, f"{said} {zlib.crc32(said.encode())}\n".encode())
    os.fsync(fd)


class Database:
    """A session of psql: each row is committed by itself."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        environ = os.environ | QUIET
        self._psql = subprocess.Popen(
            PSQL, stdin=pipe, stdout=pipe, text=True, cwd="/", env=environ
        )
        self.ask("CREATE TABLE IF NOT EXISTS load (number bigint PRIMARY KEY, boot text);")

    def insert(self, number: int) -> None:
        self.ask(f"INSERT INTO load VALUES ({number}, '{BOOT}');")

    def numbers(self, where: str = "true") -> list[int]:
        return [int(line) for line in self.ask(f"SELECT number FROM load WHERE {where};")]

    def ask(self, words: str) -> list[str]:
        stdin, stdout = self._psql.stdin, self._psql.stdout
        assert stdin
        assert stdout
        stdin.write(words + "\nSELECT 'done';\n")
        stdin.flush()
        answer: list[str] = []
        for line in stdout:
            if line == "done\n":
                return answer
            answer.append(line.rstrip("\n"))
        raise SystemExit(f"psql ended with {self._psql.wait()}")


def check(files: Path) -> dict[str, object]:
    """What is there of earlier boots, as ranges, and what is damaged."""
    # The highest first: what is removed meanwhile is lower than what is still there.
    found = sorted(files_found(files).items(), reverse=True)
    contents = {path: content_of(path) for _, path in found}
    return {
        "files": ranges(
            number_of(path) for path, content in contents.items() if not is_of_now(content)
        ),
        "lines": ranges(number for number, boot in lines_found().items() if boot != BOOT),
        "rows": ranges(Database().numbers(f"boot <> '{BOOT}'")),
        "damaged": [
            path.name
            for path, content in contents.items()
            if content is not None and not path.name.endswith(digest(content))
        ],
        "torn": list(torn_lines()),
    }


def is_of_now(content: bytes | None) -> bool:
    return content is None or content.startswith(f"{BOOT}\n".encode())


def content_of(path: Path) -> bytes | None:
    """None for what was removed meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def number_of(path: Path) -> int:
    return int(path.name.partition("-")[0])


def files_found(files: Path) -> dict[int, Path]:
    return {int(m[1]): p for p in files.iterdir() if (m := NAME.fullmatch(p.name))}


def lines_found() -> dict[int, str]:
    """Numbers, and the boot that wrote each."""
    return {int(m[1]): m[2] for line in log_lines() if (m := sound(line))}


def torn_lines() -> Iterator[str]:
    return (repr(line) for line in log_lines() if line and not sound(line))


def log_lines() -> list[str]:
    text = LOG.read_text(errors="replace") if LOG.exists() else ""
    return text.split("\n")[:-1]  # what has no end yet is being written


def sound(line: str) -> "re.Match[str] | None":
    found = LINE.fullmatch(line)
    said = line.rpartition(" ")[0].encode()
    return found if found and int(found[3]) == zlib.crc32(said) else None


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """[[first, last], ...]"""
    out: list[list[int]] = []
    for number in sorted(numbers):
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return out


def digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()


if __name__ == "__main__":
    if sys.argv[1] == "run":
        run(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    print(json.dumps(check(Path(sys.argv[2]))))
