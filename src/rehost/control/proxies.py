"""Who really calls, where there are proxies between: what trusted ones say counts, nothing else."""

from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from rehost.errors import BadConfiguration

Networks = tuple[IPv4Network | IPv6Network, ...]


@cache
def networks(option: str) -> Networks:
    """Of the option trusted_proxies. Raises BadConfiguration."""
    try:
        return tuple(ip_network(part.strip()) for part in option.split(",") if part.strip())
    except ValueError as e:
        raise BadConfiguration(
            f"option trusted_proxies: {e}; write addresses or networks, as 10.0.0.5,192.0.2.0/24"
        ) from e


def client(peer: str, forwarded_for: str, trusted: Networks) -> str:
    """The nearest address, beginning with that of the connection, which is no trusted proxy's.

    Each proxy adds whom it talks to at the end of X-Forwarded-For; what is before that, anybody may
    have made up.
    """
    hops = forwarded_for.split(",")
    while hops and _is_in(peer, trusted) and (hop := _read(hops.pop())) is not None:
        peer = str(hop)
    return peer


def _is_in(text: str, trusted: Networks) -> bool:
    address = _read(text)
    return address is not None and any(address in network for network in trusted)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
