"""How a sender's connections are made."""

import logging
import os
from dataclasses import dataclass, field

from rehost.contract.channel import STALL_S, Channel, client_context
from rehost.contract.frames import Failure, Hello, Welcome
from rehost.contract.loopback import is_loopback
from rehost.contract.transfer import Certificates, receiver_name
from rehost.errors import BadConfiguration
from rehost.stages.replicate.control import Control
from rehost.stream_errors import BadFrame, ReceiverUnreachable, from_code
from rehost.system.dialing import dial

log = logging.getLogger(__name__)

_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The receiver of a task, reached by IPv6 alone if `ipv6`. `tls` is None only on loopback."""

    task_id: str
    host: str
    port: int
    tls: Certificates | None = field(repr=False)
    ipv6: bool = False


class Link:
    """One session: what its connections have in common."""

    def __init__(self, peer: Peer, control: Control, *, stall_s: float = STALL_S) -> None:
        """Raises BadConfiguration, PeerNotTrusted."""
        if peer.tls is None and not is_loopback(peer.host):
            raise BadConfiguration(f"disks are not sent to {peer.host} without TLS")
        self.peer = peer
        self._control = control
        self._stall_s = stall_s
        self._session = os.urandom(16)
        self._tls = client_context(peer.tls) if peer.tls else None

    @property
    def is_local(self) -> bool:
        return is_loopback(self.peer.host)

    def connect(self, number: int) -> tuple[Channel, Welcome]:
        """To where the receiver is now.

        Raises ReceiverUnreachable, PeerNotTrusted, and what the receiver refuses with.
        """
        self._follow()
        channel = self._dial()
        try:
            channel.handshake()
            hello = Hello(session=self._session, connection=number, task_id=self.peer.task_id)
            channel.send_frame(hello)
            answer = channel.receive_frame()
            if isinstance(answer, Failure):
                raise from_code(answer.code, answer.message)
            if not isinstance(answer, Welcome):
                raise BadFrame(f"the receiver greets with {type(answer).__name__}")
        except BaseException:
            channel.close()
            raise
        return channel, answer

    def _follow(self) -> None:
        moved = self._control.moved_to
        if moved is not None and moved is not self.peer:
            # Its own first: another lane may connect meanwhile.
            self._tls = client_context(moved.tls) if moved.tls else None
            self.peer = moved

    def _dial(self) -> Channel:
        peer = self.peer
        try:
            sock = dial(peer.host, peer.port, min(_CONNECT_S, self._stall_s), ipv6=peer.ipv6)
        except OSError as e:
            by = " by IPv6" if peer.ipv6 else ""
            raise ReceiverUnreachable(
                f"no connection to the receiver at {peer.host} port {peer.port}{by}: {e}"
            ) from e
        sock.setblocking(False)
        if self._tls:
            sock = self._tls.wrap_socket(
                sock,
                server_hostname=receiver_name(peer.task_id),
                do_handshake_on_connect=False,
            )
        return Channel(sock, stall_s=self._stall_s, pace=self._control.take)
