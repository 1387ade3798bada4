"""Listens for a task's sender, and keeps strangers cheap."""

import contextlib
import errno
import logging
import os
import socket
import threading
from collections.abc import Callable

from rehost.contract.channel import Channel, server_context
from rehost.contract.loopback import is_loopback
from rehost.contract.transfer import ReceiverConfig, agent_name
from rehost.errors import BadConfiguration
from rehost.receiver.connection import GREETING_S, serve
from rehost.receiver.sessions import CONNECTIONS, Sessions
from rehost.receiver.store import Store
from rehost.stream_errors import NoPortFree, StreamError, TargetFailed

log = logging.getLogger(__name__)

# Connections at once, strangers too. Only those of the task's sender have buffers.
_MANY = 4 * CONNECTIONS
_STACK = 512 << 10
_STALL_S = 60.0
_EVERYWHERE = "::"  # also by IPv4, as the service there


class Server:
    """Serves one task until `stop`. What arrived is committed as the store closes."""

    def __init__(self, config: ReceiverConfig, store: Store) -> None:
        """Listens. Raises BadConfiguration, NoPortFree, PeerNotTrusted, TargetFailed."""
        if config.tls is None and not is_loopback(config.host):
            raise BadConfiguration(f"without TLS a receiver listens on loopback, not {config.host}")
        self._tls = server_context(config.tls) if config.tls else None
        self._peer = agent_name(config.task_id, config.run)
        self._store = store
        self._sessions = Sessions(config.task_id, config.folder)
        self._lock = threading.Lock()
        self._threads: dict[threading.Thread, Callable[[], None]] = {}
        self._strangers = 0
        self._stopping = False
        threading.stack_size(_STACK)
        self._listener = _listen(config)
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        while not self._stopping:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                if not self._stopping:
                    # No descriptors left, or a peer that is gone already: neither ends the rest.
                    log.exception("cannot accept a connection")
                continue
            self._begin(sock)
        self._end()

    def stop(self) -> None:
        """From a signal's handler: `run` ends soon."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def _begin(self, sock: socket.socket) -> None:
        with self._lock:
            if len(self._threads) >= _MANY:
                sock.close()
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads[thread] = sock.close
            thread.start()

    def _end(self) -> None:
        self._listener.close()
        with self._lock:
            threads = dict(self._threads)
        for abort in threads.values():
            abort()
        for thread in threads:
            thread.join(_STALL_S)

    def _serve(self, sock: socket.socket) -> None:
        channel = None
        try:
            channel = self._channel(sock)
            with self._lock:
                self._threads[threading.current_thread()] = channel.abort
            channel.limit_frame(GREETING_S)
            channel.handshake()
            serve(channel, self._store, self._sessions, peer=self._peer)
        except (StreamError, OSError) as e:  # OSError: it was gone before TLS began
            self._note_stranger(e)
        except Exception:
            log.exception("a connection failed")
        finally:
            if channel:
                channel.close()
            sock.close()
            with self._lock:
                self._threads.pop(threading.current_thread(), None)

    def _note_stranger(self, e: Exception) -> None:
        """More and more rarely: whoever connects must not be able to fill the disk with a log."""
        with self._lock:
            self._strangers += 1
            count = self._strangers
        if not count & (count - 1):
            log.info("a connection did not come about (%d so far): %s", count, e)

    def _channel(self, sock: socket.socket) -> Channel:
        if self._tls is None:
            return Channel(sock, stall_s=_STALL_S)
        sock.setblocking(False)
        wrapped = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return Channel(wrapped, stall_s=_STALL_S)


def _listen(config: ReceiverConfig) -> socket.socket:
    host, last = config.host, max(config.port, config.last_port)
    for port in range(config.port, last + 1):
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            both = host == _EVERYWHERE and socket.has_dualstack_ipv6()
            return socket.create_server(
                (host, port), family=family, backlog=_MANY, dualstack_ipv6=both
            )
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                said = os.strerror(e.errno or 0)
                raise TargetFailed(f"cannot listen on {host} port {port}: {said}") from e
    raise NoPortFree(host, config.port, last)
