"""The service's own certificate, for when the administrator gave none.

It is self-signed. Agents are told its digest on the line that enrols them, and trust it alone.
"""

import datetime
import hashlib
import ipaddress
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rehost.control.keys import create_once
from rehost.errors import BadConfiguration

YEARS = 10
PEM = serialization.Encoding.PEM


def ensure_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """The certificate and key files in `folder`; made if they are not there.

    Processes that start at once agree on one pair. Raises BadConfiguration, OSError.
    """
    certificate, key = folder / "tls.crt", folder / "tls.key"
    # In this order: while others make them, there is never a certificate without its key.
    if certificate.exists() and not key.exists():
        raise BadConfiguration(f"{certificate} is there without {key}; restore or remove it")
    if not key.exists():
        create_once(key, _new_key())
    if not certificate.exists():
        create_once(certificate, _certify(_load(key), host), mode=0o644)
    return certificate, key


def pin(certificate: Path) -> str:
    """The SHA-256 digest of a PEM certificate's DER form, hex."""
    parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    return hashlib.sha256(parsed.public_bytes(serialization.Encoding.DER)).hexdigest()


def _new_key() -> bytes:
    plain = serialization.NoEncryption()
    private = ec.generate_private_key(ec.SECP256R1())
    return private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)


def _load(key: Path) -> ec.EllipticCurvePrivateKey:
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError):  # TypeError: with a password
        private = None
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise BadConfiguration(f"{key} is no key of this service's; restore or remove it")
    return private


def _certify(private: ec.EllipticCurvePrivateKey, host: str) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .sign(private, hashes.SHA256())
    )
    return signed.public_bytes(PEM)


def _names(host: str) -> list[x509.GeneralName]:
    """Every name that agents may use: the bound address, this machine's names, loopback."""
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names += [x509.DNSName(n) for n in {socket.gethostname(), socket.getfqdn()}]
    addresses = {"127.0.0.1", "::1", *_addresses()}
    try:
        addresses.add(str(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    return names + [x509.IPAddress(ipaddress.ip_address(a)) for a in sorted(addresses)]


def _addresses() -> set[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return set()
    return {str(address[4][0]).split("%")[0] for address in found}
