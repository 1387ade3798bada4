"""Typing on a machine's serial console, and reading what it says.

python -m rehost.cli.demo_console SOCKET     # does so by hand
"""

import os
import re
import select
import socket
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rehost.demo_errors import GuestCommandFailed, GuestSilent
from rehost.system import sockets

DRESS = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1bc|\r")  # colours, cursor movements
LEAVE = b"\x1d"  # Ctrl-]
KEPT = 2000  # bytes of what was said last, for errors
LOG_IN_S = 600.0
COMMAND_S = 120.0


def _nobody(_: str) -> None:
    """Nobody wants to hear it."""


class Console:
    """A socket that the machine's serial port is connected to."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._heard: Callable[[str], None] = _nobody
        self._unread = b""
        self._told = 0
        self._count = 0

    def type(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def wait_for(self, pattern: str, *, limit_s: float, what: str = "") -> re.Match[bytes]:
        """Read on until the pattern is found, and leave what follows it for the next call.

        Raises GuestSilent; `what` is the pattern in words.
        """
        wanted = re.compile(pattern.encode(), re.MULTILINE)
        deadline = time.monotonic() + limit_s
        while not (found := wanted.search(self._unread)):
            if not self._read(deadline):
                said = self._unread[-KEPT:].decode(errors="replace")
                raise GuestSilent(what or f"{pattern!r}", limit_s, said)
        self._unread = self._unread[found.end() :]
        self._told = 0
        return found

    def log_in(self, *, limit_s: float = LOG_IN_S, heard: Callable[[str], None] = _nobody) -> None:
        """As root, who has no password. `heard` gets each line that is said until the prompt."""
        self._heard = heard
        # Not at the end of a line: the kernel may say something behind a prompt.
        self.wait_for(r"^\S+ login: ", limit_s=limit_s, what="a login prompt")
        self._heard = _nobody
        self.type("root\n")
        self.wait_for(r"root@\S+# ", limit_s=limit_s, what="a shell")
        self.quiet(limit_s=limit_s)

    def quiet(self, *, limit_s: float) -> None:
        """Without echo and prompt, the kernel and systemd silent: only commands say something."""
        silent = "dmesg --console-off; kill -RTMIN+21 1"
        self.type(f"stty -echo; PS1=; PS2=; {silent}; echo read''y\n")
        self.wait_for(r"^ready\n", limit_s=limit_s, what="a quiet shell")

    def run(self, command: str, *, limit_s: float = COMMAND_S) -> str:
        """What a shell command says. Raises GuestCommandFailed and GuestSilent."""
        self._count += 1
        self.type(f"{command}\necho ' 'end-{self._count}-$?\n")
        pattern = rf"(?s)(.*?) end-{self._count}-(\d+)\n"
        end = self.wait_for(pattern, limit_s=limit_s, what=f"the end of `{command}`")
        said = end[1].decode(errors="replace")
        if end[2] != b"0":
            raise GuestCommandFailed(command, int(end[2]), said)
        return said

    def _read(self, deadline: float) -> bool:
        """More of what is said; False if nothing comes in time, or ever again."""
        self._socket.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            new = self._socket.recv(65536)
        except (TimeoutError, ConnectionError):
            return False
        self._unread = DRESS.sub(b"", self._unread + new)
        self._tell()
        return bool(new)

    def _tell(self) -> None:
        whole = self._unread.rfind(b"\n") + 1
        for line in self._unread[self._told : whole].decode(errors="replace").split("\n"):
            if shown := "".join(filter(str.isprintable, line)).strip():
                self._heard(shown)
        self._told = max(self._told, whole)


@contextmanager
def connected(path: Path) -> Iterator[Console]:
    """The console at a socket that QEMU listens on. What was said before is lost to it."""
    with _connected(path) as client:
        yield Console(client)


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        with sockets.short(path.parent) as folder:
            client.connect(f"{folder}/{path.name}")
        yield client


def main(path: Path) -> None:
    """This terminal on that console, until Ctrl-] or the machine's end."""
    with _connected(path) as client:
        before = termios.tcgetattr(sys.stdin)
        tty.setraw(sys.stdin)
        try:
            client.sendall(b"\n")
            while _passed_on(client):
                pass
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _passed_on(client: socket.socket) -> bool:
    """Wait for either side to say something, and pass it on; False at the end."""
    for ready in select.select([client, sys.stdin], [], [])[0]:
        if ready is client:
            said = client.recv(65536)
            os.write(sys.stdout.fileno(), said)
        else:
            said = os.read(sys.stdin.fileno(), 1024)
            if LEAVE in said:
                return False
            client.sendall(said)
        if not said:
            return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
