"""The line that an operator pastes on a source server, to install its agent."""

import shlex
from urllib.parse import urlsplit

from rehost.contract.installer import NAME
from rehost.contract.loopback import is_loopback


def install_line(service: str, code: str, digest: str, *, pin: str | None) -> str:
    """A shell line that fetches the agent from `service`, checks it, and installs it.

    `digest` is the installer's SHA-256; `pin` that of the service's certificate, where the service
    made it itself.
    """
    # No authority vouches for a certificate that the service made itself, and nobody for plain
    # HTTP. It need not: the digest came with this line, the program runs only if it matches, and
    # then insists on the pin.
    blind = bool(pin) and urlsplit(service).scheme == "https"
    curl = "curl -fsSL --insecure" if blind else "curl -fsSL"
    wget = "wget -q --no-check-certificate" if blind else "wget -q"
    url = shlex.quote(f"{service}/agent/{NAME}")
    return " && ".join(
        (
            f"{{ {curl} -o {NAME} {url} || {wget} -O {NAME} {url}; }}",
            f'echo "{digest}  {NAME}" | sha256sum -c',
            offline_line(service, code, pin=pin),
            f"rm {NAME}",
        )
    )


def offline_line(service: str, code: str, *, pin: str | None) -> str:
    """The same on a machine that the file was brought to by hand."""
    parts = urlsplit(service)
    words = ["--service", service, "--code", code]
    if pin and parts.scheme == "https":
        words += ["--pin", f"sha256:{pin}"]
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        words += ["--insecure-http"]
    return f"$(command -v sudo) sh {NAME} {shlex.join(words)}"
