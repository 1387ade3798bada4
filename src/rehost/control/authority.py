"""The installation's own certificate authority, in the data folder: it signs the certificates by
which a task's agent and receiver know each other, and no other task's.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rehost.contract.transfer import Certificates, agent_name, receiver_name
from rehost.control.keys import create_once
from rehost.errors import BadConfiguration

NAME = "ca.pem"  # key and certificate
YEARS = 20
DAYS = 7  # of a task's certificate; who needs it longer asks again
BACKDATED = datetime.timedelta(hours=1)  # clocks differ
PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def agent(self, task_id: str, run: int) -> Certificates:
        """A new certificate for the agent of a task, for one run of it."""
        return self._issue(agent_name(task_id, run), ExtendedKeyUsageOID.CLIENT_AUTH)

    def receiver(self, task_id: str) -> Certificates:
        """A new certificate for the receiver of a task."""
        return self._issue(receiver_name(task_id), ExtendedKeyUsageOID.SERVER_AUTH)

    def _issue(self, name: str, use: x509.ObjectIdentifier) -> Certificates:
        private = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        signer = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        signed = (
            _draft(private, now + datetime.timedelta(days=DAYS))
            # The common name is for people, and holds 64 characters; the DNS name counts.
            .subject_name(_name("rehost task"))
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer.value),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return Certificates(
            ca=self.certificate.public_bytes(PEM).decode(),
            certificate=signed.public_bytes(PEM).decode(),
            private_key=_pem(private).decode(),
        )


def load(data: Path) -> Authority:
    """The authority of the data folder, made at the first use; the folder must exist.

    Processes that start at once agree on one. Raises BadConfiguration.
    """
    path = data / NAME
    try:
        if not path.exists():
            create_once(path, _make())
        content = path.read_bytes()
        key = serialization.load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
    except (ValueError, TypeError) as e:  # TypeError: with a password
        raise BadConfiguration(f"{path} is no authority of this service's; restore it") from e
    except OSError as e:
        raise BadConfiguration(f"cannot read or create the authority {path}: {e}") from e
    # What is signed by another key than the certificate's, no end of a task would trust.
    is_pair = key.public_key() == certificate.public_key()
    if not (is_pair and isinstance(key, ec.EllipticCurvePrivateKey)):
        raise BadConfiguration(f"{path} is no authority of this service's; restore it")
    return Authority(key, certificate)


def _make() -> bytes:
    private = ec.generate_private_key(ec.SECP256R1())
    name = _name("rehost tasks")
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        _draft(private, now + datetime.timedelta(days=365 * YEARS))
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(private, hashes.SHA256())
    )
    return _pem(private) + signed.public_bytes(PEM)


def _draft(
    private: ec.EllipticCurvePrivateKey, until: datetime.datetime
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    public = private.public_key()
    return (
        x509.CertificateBuilder()
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
