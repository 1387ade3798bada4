"""The line that an operator pastes on a source server, to install its agent."""

import shlex
from urllib.parse import urlsplit

from rehost.contract.trust import is_loopback
from rehost.control.services import AgentBundle

PROGRAM = "rehost-agent"


def install_line(service: str, code: str, bundle: AgentBundle, *, pin: str | None) -> str:
    """A shell line that fetches the agent from `service`, checks it, and installs it.

    `pin` is the SHA-256 of the service's certificate, in hex, where the service made it itself.
    """
    parts = urlsplit(service)
    pin = pin if parts.scheme == "https" else None
    # No authority vouches for a certificate that the service made itself, and nobody for plain
    # HTTP. It need not: the digest came with this line, the program runs only if it matches, and
    # then insists on the pin.
    fetch = "curl -fsSL --insecure" if pin else "curl -fsSL"
    install = ["--service", service, "--code", code]
    if pin:
        install += ["--pin", f"sha256:{pin}"]
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        install += ["--insecure-http"]
    return " && ".join(
        (
            f"{fetch} {shlex.quote(f'{service}/agent/rehost-agent.pyz')} -o {PROGRAM}",
            f'echo "{bundle.digest}  {PROGRAM}" | sha256sum -c',
            f"$(command -v sudo) python3 {PROGRAM} install {shlex.join(install)}",
        )
    )
