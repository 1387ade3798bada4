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

from rehost.system.files import write_atomically

YEARS = 10


def ensure_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """The certificate and key files in `folder`; made if they are not there."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    if not (certificate.exists() and key.exists()):
        _make(certificate, key, host)
    return certificate, key


def pin(certificate: Path) -> str:
    """The SHA-256 digest of a PEM certificate's DER form, hex."""
    parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    return hashlib.sha256(parsed.public_bytes(serialization.Encoding.DER)).hexdigest()


def _make(certificate: Path, key: Path, host: str) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
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
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    write_atomically(key, private.private_bytes(pem, pkcs8, plain), mode=0o600)
    write_atomically(certificate, signed.public_bytes(pem), mode=0o644)


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
