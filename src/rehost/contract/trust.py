"""How a client knows that it talks to the right service.

Three ways: the machine's own authorities (the default), a given authority or certificate, or a
pin: the digest of the service's certificate, which came on another way than the network. A pin
is exchanged for the certificate once, at enrolment; from then on that certificate is trusted,
and nothing else.
"""

import hashlib
import hmac
import re
import socket
import ssl
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from rehost.contract.loopback import is_loopback
from rehost.errors import BadConfiguration, ServiceNotTrusted, ServiceUnreachable

HTTPS_PORT = 443
# OpenSSL's: the certificate is for another host name, or another address.
_NAME_MISMATCH = (62, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """`certificates` is PEM; None trusts the machine's authorities.

    `pin` is "sha256:<hex>" of the service's certificate. With `check_host_name` False the pin is
    compared on every connection instead: for a certificate that names no address of its service.
    """

    certificates: str | None = None
    pin: str | None = None
    check_host_name: bool = True
    insecure_http: bool = False


def check_url(url: str, trust: Trust) -> SplitResult:
    """Return the parts of a service's URL; BadConfiguration if it cannot be used safely."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or parts.username is not None:
        raise BadConfiguration(f"{url!r} is no service URL like https://rehost.example:8780")
    if parts.scheme == "http" and not (is_loopback(str(parts.hostname)) or trust.insecure_http):
        raise BadConfiguration(
            f"{url} would send credentials in clear text; use https, "
            "or --insecure-http if the network is yours alone"
        )
    if parts.scheme == "http" and trust.pin:
        raise BadConfiguration(f"a pin is for https; {url} has no certificate")
    return parts


def context(trust: Trust) -> ssl.SSLContext:
    """Return a TLS context that lets no other service through than `trust` does."""
    if trust.pin and not trust.certificates:
        raise BadConfiguration("the pin was not exchanged for the certificate yet")
    try:
        tls = ssl.create_default_context(cadata=trust.certificates)
    except (ssl.SSLError, ValueError) as e:
        raise BadConfiguration(f"the CA file holds no usable PEM certificate: {e}") from e
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust.certificates:
        # The trusted certificate may be the service's own, which no authority has to vouch for
        # and which need not be made as strictly as an authority's.
        tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    tls.check_hostname = trust.check_host_name
    return tls


def check_peer(connection: ssl.SSLSocket, trust: Trust) -> None:
    """Compare the pin where the host name could not be checked. Raises ServiceNotTrusted."""
    if not trust.check_host_name:
        _compare(connection.getpeercert(binary_form=True), trust.pin or "")


def pinned(url: str, trust: Trust, *, timeout_s: float) -> Trust:
    """Exchange the pin for the certificate of the service at `url`.

    Nothing but the handshake is sent. Raises ServiceNotTrusted if the digest is another.
    """
    parts = check_url(url, trust)
    pin = normal_pin(trust.pin or "")
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    der = _handshake(parts, blind, timeout_s)
    _compare(der, pin)
    exact = replace(trust, pin=pin, certificates=ssl.DER_cert_to_PEM_cert(der))
    try:
        _handshake(parts, context(exact), timeout_s)
    except ssl.SSLCertVerificationError as e:
        if e.verify_code not in _NAME_MISMATCH:
            raise ServiceNotTrusted(
                f"the certificate of {url} has the pinned digest but cannot be used: "
                f"{e.verify_message}; set the clock, or renew the service's certificate"
            ) from e
        return replace(exact, check_host_name=False)
    return exact


def normal_pin(pin: str) -> str:
    """Return a pin as "sha256:" and 64 lower-case digits; colons between them may be given."""
    kind, _, digest = pin.strip().partition(":")
    digest = digest.replace(":", "").lower()
    if kind.lower() != "sha256" or not re.fullmatch("[0-9a-f]{64}", digest):
        raise BadConfiguration(f"{pin!r} is no pin like sha256:0123… with 64 hexadecimal digits")
    return f"sha256:{digest}"


def _handshake(parts: SplitResult, tls: ssl.SSLContext, timeout_s: float) -> bytes:
    address = (str(parts.hostname), parts.port or HTTPS_PORT)
    try:
        with (
            socket.create_connection(address, timeout_s) as plain,
            tls.wrap_socket(plain, server_hostname=parts.hostname) as connection,
        ):
            return connection.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError:
        raise
    except OSError as e:
        raise ServiceUnreachable(
            f"no TLS handshake with {parts.geturl()}: {e}; check the URL, and that the service runs"
        ) from e


def _compare(der: bytes | None, pin: str) -> None:
    found = f"sha256:{hashlib.sha256(der or b'').hexdigest()}"
    if not hmac.compare_digest(found, pin):
        raise ServiceNotTrusted(
            f"the service's certificate is {found}, not the pinned {pin}; if it was renewed, "
            "register with the new pin, else someone is between this machine and the service"
        )
