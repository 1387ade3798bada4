import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from rehost.control import keys, tls
from rehost.errors import BadConfiguration
from tests.unit.races import printed_at_once


def is_pair(certificate: Path, key: Path) -> bool:
    private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    return x509.load_pem_x509_certificate(certificate.read_bytes()).public_key() == (
        private.public_key()
    )


def test_a_pair_is_made_once_and_its_key_is_for_its_owner_alone(tmp_path):
    certificate, key = tls.ensure_certificate(tmp_path, "127.0.0.1")
    assert is_pair(certificate, key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    pin = tls.pin(certificate)
    assert tls.ensure_certificate(tmp_path, "10.0.0.1") == (certificate, key)
    assert tls.pin(certificate) == pin


def test_services_that_start_at_once_agree_on_one_pair(tmp_path):
    program = "print(tls.pin(tls.ensure_certificate(Path(sys.argv[1]), '127.0.0.1')[0]))"
    pins = printed_at_once("from rehost.control import tls", program, tmp_path)
    assert len(pins) == 1
    assert is_pair(tmp_path / "tls.crt", tmp_path / "tls.key")


def test_who_comes_second_takes_the_first_ones_key(tmp_path, monkeypatch):
    first = tls._new_key()

    def second(path: Path, content: bytes, **_: int) -> None:
        """Another process is faster, each time."""
        keys.create_once(path, first if path.name == "tls.key" else content)
        keys.create_once(path, b"too late")

    monkeypatch.setattr(tls, "create_once", second)
    assert is_pair(*tls.ensure_certificate(tmp_path, "127.0.0.1"))
    assert (tmp_path / "tls.key").read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"half"])
def test_a_damaged_key_is_said(tmp_path, content):
    (tmp_path / "tls.key").write_bytes(content)
    with pytest.raises(BadConfiguration, match=r"tls\.key"):
        tls.ensure_certificate(tmp_path, "127.0.0.1")


def test_a_certificate_without_its_key_is_said(tmp_path):
    _, key = tls.ensure_certificate(tmp_path, "127.0.0.1")
    key.unlink()
    with pytest.raises(BadConfiguration, match=r"tls\.crt"):
        tls.ensure_certificate(tmp_path, "127.0.0.1")
