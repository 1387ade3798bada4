"""ifcfg files of RHEL, CentOS, Fedora and SUSE: whose card, and from static addresses to DHCP."""

import re
from collections.abc import Mapping, Set

from rehost.stages.convert.network import places
from rehost.stages.convert.network.assignments import Assignments
from rehost.stages.convert.network.draft import Draft, comment, lines
from rehost.stages.convert.network.layers import LEFT
from rehost.stages.convert.network.wish import MAC, normal

IPV4 = r"(IPADDR|NETMASK|PREFIX|PREFIXLEN|GATEWAY|BROADCAST|NETWORK|LABEL)(\d+|_\w+)?"
IPV6 = r"IPV6ADDR|IPV6ADDR_SECONDARIES|IPV6_DEFAULTGW|IPV6_DEFAULTDEV"
DNS = r"DNS\d+|PEERDNS"
FATAL = r"IPV[46]_FAILURE_FATAL"  # no address by DHCP, no network at all
RANGE = re.compile(r"(.+)-range\d+")
NOT_ASKED = frozenset({"", "none", "static"})


def follow(draft: Draft, cards: Mapping[str, str]) -> None:
    """HWADDR of an interface is the address of its card on the target. Keyfiles: the same."""
    for path, text in draft.texts(*places.IFCFG_INTERFACES):
        values = Assignments(text)
        name, mac = name_of(path, values, {}), values.get("HWADDR")
        if name in cards and MAC.fullmatch(mac) and normal(mac) != cards[name]:
            values.set("HWADDR", cards[name])
            why = f"{path}: {name} is the card with the address {cards[name]} now."
            draft.write(path, values.text(), why)


def to_dhcp(draft: Draft, uplinks: Set[str], cards: Mapping[str, str]) -> None:
    """Interfaces that use DHCP already keep the routes they have."""
    switched = set()
    for path, text in draft.texts(*places.IFCFG_INTERFACES):
        values = Assignments(text)
        name = name_of(path, values, cards)
        card, further = _further(name)
        if card in uplinks and further:
            why = f"{path}: a further static address of {card}, which uses DHCP now; removed."
            draft.remove(path, why)
        elif card not in uplinks and card != "lo" and _is_static(values):
            draft.note(LEFT.format(path, card))
        elif card in uplinks and _switch(values):
            switched |= {name, _called(path)}
            why = f"{path}: {name} by DHCP; the static addresses are comments now."
            draft.write(path, values.text(), why)
    for path, text in draft.texts(*places.IFCFG_ROUTES):
        if path.rpartition("/")[2].partition("-")[2] in switched:
            _take_out_all(draft, path, text)
    if switched:
        _take_out_global(draft)


def _further(name: str) -> tuple[str, bool]:
    """The interface, and whether it is only about further addresses: eth0:1, eth0-range0."""
    if found := RANGE.fullmatch(name):
        return found.group(1), True
    card, colon, _ = name.partition(":")
    return card, bool(colon)


def _is_static(values: Assignments) -> bool:
    return bool(values.names(r"IPADDR.*|IPV6ADDR"))


def _switch(values: Assignments) -> bool:
    """Whether there was a static address."""
    ipv4, ipv6 = values.names(IPV4), values.names(IPV6)
    is_ipv4 = any(n.startswith("IPADDR") for n in ipv4)
    if is_ipv4 and values.get("BOOTPROTO").lower() in NOT_ASKED:
        values.set("BOOTPROTO", "dhcp")
    if "IPV6ADDR" in ipv6:
        values.set("IPV6_AUTOCONF", "yes")
    if is_ipv4 or "IPV6ADDR" in ipv6:
        values.take_out([*ipv4, *ipv6, *values.names(f"{DNS}|{FATAL}")])
    return is_ipv4 or "IPV6ADDR" in ipv6


def _take_out_all(draft: Draft, path: str, text: str) -> None:
    new = "".join(
        comment(line) if line.strip() and not line.lstrip().startswith("#") else line
        for line in lines(text)
    )
    draft.write(path, new, f"{path}: routes come by DHCP; the static ones are comments now.")


def _take_out_global(draft: Draft) -> None:
    """The gateway of the whole server, of RHEL or of SUSE."""
    for path, text in draft.texts("/etc/sysconfig/network"):
        values = Assignments(text)
        values.take_out(values.names(r"GATEWAY|GATEWAYDEV|IPV6_DEFAULTGW|IPV6_DEFAULTDEV"))
        draft.write(path, values.text(), f"{path}: the gateway comes by DHCP and is a comment now.")
    for path, text in draft.texts("/etc/sysconfig/network/routes"):
        _take_out_all(draft, path, text)


def name_of(path: str, values: Assignments, cards: Mapping[str, str]) -> str:
    """What it says, else the one of `cards` whose address it has, else what the file is called."""
    mac = values.get("HWADDR")
    of_address = next((n for n, m in cards.items() if MAC.fullmatch(mac) and normal(mac) == m), "")
    return values.get("DEVICE") or of_address or _called(path)


def _called(path: str) -> str:
    return path.rpartition("/")[2].removeprefix("ifcfg-")
