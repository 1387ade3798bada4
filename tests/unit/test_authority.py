import datetime
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from rehost.contract.channel import server_context
from rehost.contract.transfer import Certificates, agent_name, receiver_name
from rehost.control import authority
from rehost.errors import BadConfiguration


@pytest.fixture
def signer(tmp_path):
    return authority.load(tmp_path)


def names(certificates: Certificates) -> list[str]:
    parsed = x509.load_pem_x509_certificate(certificates.certificate.encode())
    found = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)


def test_each_end_has_its_own_name_and_key(signer):
    agent, receiver = signer.agent("t1", 3), signer.receiver("t1")
    assert (names(agent), names(receiver)) == ([agent_name("t1", 3)], [receiver_name("t1")])
    assert agent.private_key != receiver.private_key
    assert agent.ca == receiver.ca


def test_a_task_of_the_longest_id_has_a_certificate(signer):
    task_id = "0123456789ab-" * 3
    assert names(signer.agent(task_id, 3)) == [agent_name(task_id, 3)]


def test_certificates_are_for_a_week(signer):
    parsed = x509.load_pem_x509_certificate(signer.agent("t1", 3).certificate.encode())
    now = datetime.datetime.now(datetime.UTC)
    assert parsed.not_valid_before_utc < now
    left = parsed.not_valid_after_utc - now
    assert datetime.timedelta(days=6) < left <= datetime.timedelta(days=7)


def test_the_authority_stays_and_is_for_its_owner_alone(tmp_path):
    first = authority.load(tmp_path)
    assert authority.load(tmp_path).certificate == first.certificate
    assert (tmp_path / authority.NAME).stat().st_mode & 0o777 == 0o600


def test_a_damaged_authority_is_not_replaced(tmp_path):
    (tmp_path / authority.NAME).write_bytes(b"half")
    with pytest.raises(BadConfiguration, match=authority.NAME):
        authority.load(tmp_path)


def test_a_key_of_another_authority_or_with_a_password_is_said(tmp_path):
    (tmp_path / "other").mkdir()
    own, other = authority.load(tmp_path), authority.load(tmp_path / "other")
    certificate = own.certificate.public_bytes(authority.PEM)
    closed = serialization.BestAvailableEncryption(b"secret")
    pkcs8 = serialization.PrivateFormat.PKCS8
    for key in (
        other.key.private_bytes(authority.PEM, pkcs8, serialization.NoEncryption()),
        own.key.private_bytes(authority.PEM, pkcs8, closed),
    ):
        (tmp_path / authority.NAME).write_bytes(key + certificate)
        with pytest.raises(BadConfiguration, match=authority.NAME):
            authority.load(tmp_path)


def shake_hands(server: Certificates, client: Certificates, *, name: str, folder) -> str | None:
    """Whom the server says it talks to; None if either refused."""
    file = folder / "client.pem"
    file.write_text(client.certificate + client.private_key)
    ours = ssl.create_default_context(cadata=client.ca)
    ours.verify_flags |= ssl.VERIFY_X509_STRICT
    ours.load_cert_chain(file)
    left, right = socket.socketpair()
    seen: list[str | None] = []

    def serve() -> None:
        try:
            with server_context(server).wrap_socket(left, server_side=True) as tls:
                peer = tls.getpeercert() or {}
                seen.append(dict(peer.get("subjectAltName", ())).get("DNS"))  # type: ignore[arg-type]
                tls.recv(1)
        except (ssl.SSLError, OSError):
            seen.append(None)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours.wrap_socket(right, server_hostname=name) as tls:
            tls.send(b"x")
            with_thread(thread)
    except (ssl.SSLError, OSError):
        right.close()
    with_thread(thread)
    return seen[0]


def with_thread(thread: threading.Thread) -> None:
    thread.join(10)
    assert not thread.is_alive()


def test_both_ends_of_a_task_know_each_other(signer, tmp_path):
    receiver, agent = signer.receiver("t1"), signer.agent("t1", 3)
    name = receiver_name("t1")
    assert shake_hands(receiver, agent, name=name, folder=tmp_path) == agent_name("t1", 3)


def test_another_task_s_receiver_is_refused_by_the_agent(signer, tmp_path):
    receiver, agent = signer.receiver("t2"), signer.agent("t1", 3)
    assert shake_hands(receiver, agent, name=receiver_name("t1"), folder=tmp_path) is None


def test_an_agent_cannot_play_the_receiver(signer, tmp_path):
    agent = signer.agent("t1", 3)
    assert shake_hands(agent, agent, name=receiver_name("t1"), folder=tmp_path) is None


def test_another_installation_s_agent_is_refused(signer, tmp_path):
    (tmp_path / "other").mkdir()
    stranger = authority.load(tmp_path / "other").agent("t1", 3)
    trusting = Certificates(
        ca=signer.agent("t1", 3).ca,
        certificate=stranger.certificate,
        private_key=stranger.private_key,
    )
    receiver = signer.receiver("t1")
    assert shake_hands(receiver, trusting, name=receiver_name("t1"), folder=tmp_path) is None
