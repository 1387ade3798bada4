"""A real HTTP server on loopback that says what a test tells it to."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True)
class Seen:
    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes
    port: int  # the client's: tells connections apart

    @property
    def body(self):
        return json.loads(self.content)


@dataclass(kw_only=True)
class Say:
    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    close: bool = False  # the connection, after the answer
    drop: bool = False  # the connection, without an answer


class Standin(ThreadingHTTPServer):
    """`answer` is called for each request; `seen` are all requests so far."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[Seen], Say], *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.answer = answer
        self.seen: list[Seen] = []
        self.tls = False
        self.open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass

    def hang_up(self):
        """Close the connections that clients keep, as a restart does."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Standin

    def setup(self):
        super().setup()
        self.server.open.add(self.connection)

    def finish(self):
        self.server.open.discard(self.connection)
        super().finish()

    def answer(self):
        seen = Seen(
            method=self.command,
            target=self.path,
            headers=dict(self.headers.items()),
            content=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            port=self.client_address[1],
        )
        self.server.seen.append(seen)
        say = self.server.answer(seen)
        if say.drop:
            self.close_connection = True
            return
        raw = say.raw
        if raw is None:
            raw = b"" if say.body is None else json.dumps(say.body).encode()
        self.send_response(say.status)
        for name, value in {"Content-Length": str(len(raw)), **say.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)
        self.close_connection = say.close

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format, *args):
        pass


@contextlib.contextmanager
def standin(
    answer: Callable[[Seen], Say], *, certificate: Path | None = None, port: int = 0
) -> Iterator[Standin]:
    server = Standin(answer, port=port)
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        # The handshake in the connection's thread, or one bad client would block the others.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        server.tls = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.hang_up()
        server.server_close()
        thread.join()


def make_certificate(folder: Path, *, address: str = "127.0.0.1") -> tuple[Path, str]:
    """Return a PEM of key and self-signed certificate for `address`, and its pin."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{certificate.serial_number}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file, "sha256:" + certificate.fingerprint(hashes.SHA256()).hex()
