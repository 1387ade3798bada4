"""What tells a clone from its source: host name, SSH host keys, machine-id."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as Ed25519

HOSTNAME_FILES = ("/etc/hostname", "/etc/HOSTNAME")
HOSTS = "/etc/hosts"
RED_HAT_6 = "/etc/sysconfig/network"
HOST_KEYS = "/etc/ssh/ssh_host_*_key"
MACHINE_ID = "/etc/machine-id"
# systemd takes a new machine-id from the first, random numbers must not be another machine's.
REMOVED = (
    "/var/lib/dbus/machine-id",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
)
WORD = r"(?<![\w.-]){}(?![\w-])"
FIRST = re.compile(r"(\s*\S*)(.*)", re.DOTALL)
RSA_BITS = 3072


class KeyPair(NamedTuple):
    private: bytes
    public: bytes


def edit_hosts(text: str, old: str, new: str) -> str:
    """The old name becomes the new one, also where a domain follows it; localhost stays.

    The first word of a line is an address, which may look like a name: fd00::db1.
    """
    short = (old.partition(".")[0], new.partition(".")[0])
    # Done again, a name that only gets a domain must not get it twice.
    names = [
        (before, after)
        for before, after in ((old, new), short)
        if before.partition(".")[0] not in ("", "localhost") and not after.startswith(f"{before}.")
    ]
    return "".join(_rename(line, names) for line in text.splitlines(keepends=True))


def edit_red_hat_6(text: str, new: str) -> str:
    return re.sub(r"(?m)^HOSTNAME=.*$", lambda _: f"HOSTNAME={new}", text)


def host_key(path: str, comment: str) -> KeyPair | None:
    """A new key of the kind that the file's name says; None for kinds that sshd has given up."""
    make = KINDS.get(path.removesuffix("_key").rpartition("_")[2])
    if make is None:
        return None
    key = make()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private, public + f" {comment}\n".encode())


def _rename(line: str, names: Iterable[tuple[str, str]]) -> str:
    if line.lstrip().startswith("#"):
        return line
    address, named = FIRST.findall(line)[0]
    for old, new in names:
        named = re.sub(WORD.format(re.escape(old)), lambda _: new, named)  # noqa: B023
    return f"{address}{named}"


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def _ecdsa() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


KINDS: dict[str, Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519]] = {
    "rsa": _rsa,
    "ecdsa": _ecdsa,
    "ed25519": Ed25519.generate,
}
