"""The one door to a running machine's monitor: a command, its answer, and away again."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qemu.qmp import QMPClient, QMPError

from rehost.provider_errors import MachineSilent
from rehost.system import sockets

TIME_LIMIT_S = 10.0
BROKEN = (QMPError, EOFError, TimeoutError, OSError)


def ask(folder: Path, command: str, **arguments: object) -> object:
    """What the machine of this folder answers. Raises MachineSilent, also if there is none."""

    async def talk() -> object:
        client = QMPClient("rehost")
        with sockets.short(folder) as path:
            await client.connect(f"{path}/qmp.sock")
        try:
            return await client.execute(command, arguments)
        finally:
            # A machine that was told to go may be gone by now: its answer counts all the same.
            with suppress(*BROKEN):
                await client.disconnect()

    try:
        return asyncio.run(asyncio.wait_for(talk(), TIME_LIMIT_S))
    except BROKEN as e:
        raise MachineSilent(folder.name, command, str(e) or type(e).__name__) from e


@contextmanager
def listening(folder: Path, name: str) -> Iterator[int]:
    """A socket at this name in the folder, for QEMU to inherit and answer on."""
    (folder / name).unlink(missing_ok=True)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
        sockets.short(folder) as path,
    ):
        listener.bind(f"{path}/{name}")
        listener.listen()
        yield listener.fileno()


@contextmanager
def connected(folder: Path, name: str) -> Iterator[socket.socket]:
    """Raises MachineSilent if nobody listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            with sockets.short(folder) as path:
                client.connect(f"{path}/{name}")
        except OSError as e:
            raise MachineSilent(folder.name, name, e.strerror or str(e)) from e
        yield client
