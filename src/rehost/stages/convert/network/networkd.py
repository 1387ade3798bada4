"""systemd-networkd: from static addresses to DHCP."""

import fnmatch
from collections.abc import Mapping, Set

from rehost.stages.convert.network import places
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.layers import LEFT
from rehost.stages.convert.network.sections import Sections
from rehost.system import link_file

KEYS = ("Address", "Gateway", "DNS")
SECTIONS = ("Address", "Route", "RoutingPolicyRule")
NO = frozenset({"no", "false", "0", "off", "n", "f"})
YES = frozenset({"yes", "true", "1", "on", "y", "t"})
ASKS_FOR_IPV6 = frozenset({"ipv6", "v6", "both"})


def to_dhcp(draft: Draft, uplinks: Set[str], cards: Mapping[str, str]) -> None:
    """`cards`: interface → address on the target."""
    texts = dict(draft.texts("/etc/systemd/network/*.network"))
    for path, text in draft.texts(*places.NETWORKD[:1], places.NETWORKD[2]):
        base = path.rpartition("/")[0].removesuffix(".d")
        whole = texts.get(base, text)
        sections = Sections(text)
        static = _static(sections)
        if static and not is_for(Sections(whole), uplinks, set(cards.values())):
            names = " ".join(Sections(whole).values("Match", "Name"))
            draft.note(LEFT.format(path, names or "what it is for"))
        elif static:
            _switch(sections, is_ipv6=any(":" in address for address in static))
            gone = ", ".join(static)
            why = (
                f"{path}: addresses by DHCP; the static ones ({gone}) and routes are comments now."
            )
            draft.write(path, sections.text(), why)


def is_for(sections: Sections, uplinks: Set[str], macs: Set[str]) -> bool:
    """Whether a .network file is for one of these. Without a name it is for all of a kind."""
    names = [n for value in sections.values("Match", "Name") for n in value.split()]
    named = link_file.addresses(sections.pairs("Match"))
    if named and not macs & set(named):
        return False
    if names:
        return any(_matches(name, names) for name in uplinks)
    kinds = [k for value in sections.values("Match", "Type") for k in value.split()]
    return bool(sections.numbers("Match")) and (not kinds or "ether" in kinds)


def _matches(name: str, patterns: list[str]) -> bool:
    """As systemd does: an inverted list starts with "!"."""
    if patterns[0].startswith("!"):
        return not any(fnmatch.fnmatchcase(name, p.removeprefix("!")) for p in patterns)
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def _static(sections: Sections) -> list[str]:
    found = sections.values("Network", "Address") + sections.values("Address", "Address")
    return [address for address in found if address]


def _switch(sections: Sections, *, is_ipv6: bool) -> None:
    for entry in sections.find("Network", *KEYS):
        sections.take_out(entry)
    for name in SECTIONS:
        for number in sections.numbers(name):
            sections.take_out_section(number)
    if is_ipv6:
        for entry in sections.find("Network", "IPv6AcceptRA"):
            if entry.value.lower() in NO:
                sections.take_out(entry)
    wanted = "yes" if is_ipv6 else "ipv4"
    present = sections.find("Network", "DHCP")
    for entry in present[:-1]:
        sections.take_out(entry)
    if not present:
        sections.add("Network", f"DHCP={wanted}")
    elif present[-1].value.lower() not in {*YES, wanted}:
        asks_already = present[-1].value.lower() in ASKS_FOR_IPV6
        sections.replace(present[-1], "yes" if asks_already else wanted)
