"""Who may send: one sender at a time, with some connections.

What an old connection still has in its buffers must not be written over what a newer one sends.
So before one is welcome, those that it takes over from are ended, and waited for.
"""

import json
import threading
from pathlib import Path
from typing import Protocol

from rehost.contract.frames import Hello
from rehost.stream_errors import SessionSuperseded, TooManyConnections, WrongTask
from rehost.system.files import write_atomically

CONNECTIONS = 8
_REMEMBERED = 64
_PATIENCE_S = 60.0


class Connection(Protocol):
    ended: threading.Event

    def abort(self) -> None: ...


class Sessions:
    def __init__(self, task_id: str, folder: Path) -> None:
        self._task_id = task_id
        self._file = folder / "sessions.json"
        self._admitting = threading.Lock()
        self._lock = threading.Lock()
        self._past: list[str] = json.loads(self._file.read_text()) if self._file.exists() else []
        self._connections: dict[int, Connection] = {}

    def admit(self, hello: Hello, connection: Connection) -> None:
        """Raises WrongTask, SessionSuperseded, TooManyConnections."""
        if hello.task_id != self._task_id:
            raise WrongTask(f"this receiver is not of task {hello.task_id!r}")
        if hello.connection >= CONNECTIONS:
            raise TooManyConnections(f"a sender may have {CONNECTIONS} connections here")
        session = hello.session.hex()
        with self._admitting:
            is_new = self._check(session)
            self._end(None if is_new else hello.connection)
            if is_new:
                self._begin(session)
            with self._lock:
                self._connections[hello.connection] = connection

    def leave(self, number: int, connection: Connection) -> None:
        with self._lock:
            if self._connections.get(number) is connection:
                del self._connections[number]

    def _check(self, session: str) -> bool:
        """Whether it is a new one."""
        if session in self._past[:-1]:
            raise SessionSuperseded("a newer sender of this task has taken over")
        return not self._past or session != self._past[-1]

    def _begin(self, session: str) -> None:
        self._past = [*self._past[-_REMEMBERED:], session]
        write_atomically(self._file, json.dumps(self._past).encode(), mode=0o600)

    def _end(self, number: int | None) -> None:
        """That connection, or all."""
        with self._lock:
            old = [c for n, c in self._connections.items() if number in (n, None)]
        for connection in old:
            connection.abort()
        if not all(connection.ended.wait(_PATIENCE_S) for connection in old):
            raise TooManyConnections("a connection that was taken over from does not end")
