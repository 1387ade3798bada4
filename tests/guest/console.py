"""Typing into a machine's serial console, and reading what it says."""

import os
import re
import socket
import time
from pathlib import Path

CUTS = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\r")


class NotSaid(AssertionError):
    """The console did not say it in time; the message has the end of what it said."""


class CommandFailed(AssertionError):
    """A command in the guest ended with an error; the message has what it said."""


class Console:
    """Connected to a socket that QEMU listens on. What was said before is lost to it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A socket's address has place for 107 bytes, which a test's folder may take up.
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        self._unread = b""
        self._count = 0

    def close(self) -> None:
        self._socket.close()

    def write(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def wait_for(self, pattern: str, *, limit_s: float) -> re.Match[bytes]:
        """Read on until the pattern is found, and leave what follows it for the next call."""
        wanted = re.compile(pattern.encode(), re.MULTILINE)
        deadline = time.monotonic() + limit_s
        while not (found := wanted.search(self._unread)):
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                new = self._socket.recv(65536)
            except TimeoutError:
                new = b""
            if not new:
                said = self._unread.decode(errors="replace")[-2000:]
                raise NotSaid(f"no {pattern!r} within {limit_s:g} s; it said:\n{said}")
            self._unread = CUTS.sub(b"", self._unread + new)
        self._unread = self._unread[found.end() :]
        return found

    def log_in(self, *, limit_s: float = 600) -> None:
        """As root, who has no password in the machines of tests."""
        self.wait_for(r"login: $", limit_s=limit_s)
        self.write("root\n")
        self.wait_for(r"[#$] $", limit_s=limit_s)
        # No echo, no prompt, nothing of the kernel or systemd: only what commands say.
        quiet = "dmesg --console-off; kill -RTMIN+21 1"
        self.write(f"stty -echo; PS1=; PS2=; {quiet}; echo read''y\n")
        self.wait_for(r"^ready\n", limit_s=limit_s)

    def run(self, command: str, *, limit_s: float = 120) -> str:
        """What a shell command says. Raises CommandFailed."""
        self._count += 1
        self.write(f"{command}\necho ' 'end-{self._count}-$?\n")
        end = self.wait_for(rf"(?s)(.*?) end-{self._count}-(\d+)\n", limit_s=limit_s)
        said = end[1].decode(errors="replace")
        if end[2] != b"0":
            raise CommandFailed(f"{command}\nended with {end[2].decode()} and said:\n{said}")
        return said
