"""What stands upon what: bonds, bridges, VLANs, as any of the guest's configuration says.

An interface that stands upon no card, a bridge of containers for instance, has nothing to do
with where the server is: it keeps its addresses whatever is wished.
"""

import re
from collections.abc import Iterator, Mapping

from rehost.stages.convert.network import ifcfg, keyfiles, netplan, networkd, places
from rehost.stages.convert.network.assignments import Assignments
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.layers import Pair
from rehost.stages.convert.network.sections import Sections
from rehost.stages.convert.network.stanzas import Stanzas

VLAN = re.compile(r"(.+)\.\d+")


def find(draft: Draft, known: Mapping[str, str]) -> frozenset[Pair]:
    """(what stands upon, what is below). `known`: interfaces and their addresses on the target.

    They are whom a pattern or an address stands for.
    """
    pairs = {*_ifupdown(draft, known), *_networkd(draft, known), *_ifcfg(draft, known)}
    pairs |= {*netplan.upon(draft, known), *keyfiles.upon(draft, known)}
    return frozenset((top, below) for top, below in pairs if top != below)


def _ifupdown(draft: Draft, known: Mapping[str, str]) -> Iterator[Pair]:
    for _, text in draft.texts(*places.IFUPDOWN):
        for stanza in Stanzas(text).interfaces():
            below = ("bond-slaves", "slaves", "bridge-ports", "vlan-raw-device", "ovs-ports")
            for name in _ports(stanza.values(*below), known):
                yield stanza.card, name
            for name in stanza.values("bond-master", "ovs-bridge"):
                yield name, stanza.card
            yield from _vlan(stanza.card)


def _ports(words: list[str], known: Mapping[str, str]) -> Iterator[str]:
    """As bridge-utils reads them: "regex" and "noregex" are about the words that follow."""
    is_pattern = False
    for word in words:
        if word in {"regex", "noregex"}:
            is_pattern = word == "regex"
        elif word == "all":
            yield from known
        elif is_pattern:
            yield from (name for name in known if _matches(word, name))
        else:
            yield word


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except (re.error, RecursionError, OverflowError, FutureWarning):
        return False


def _networkd(draft: Draft, known: Mapping[str, str]) -> Iterator[Pair]:
    keys = ("Bond", "Bridge", "VLAN", "MACVLAN", "IPVLAN", "VRF")
    for _, text in draft.texts("/etc/systemd/network/*.network"):
        sections = Sections(text)
        below = [n for value in sections.values("Match", "Name") for n in value.split()]
        below += [name for name, mac in known.items() if networkd.is_for(sections, {name}, {mac})]
        for entry in sections.find("Network", *keys):
            yield from ((top, name) for top in entry.value.split() for name in below)


def _ifcfg(draft: Draft, known: Mapping[str, str]) -> Iterator[Pair]:
    for path, text in draft.texts(*places.IFCFG_INTERFACES):
        values = Assignments(text)
        name = ifcfg.name_of(path, values, known)
        for top in ("MASTER", "BRIDGE", "TEAM_MASTER"):
            if values.get(top):
                yield values.get(top), name
        for below in values.names(r"PHYSDEV|ETHERDEVICE|BRIDGE_PORTS|BONDING_SLAVE_?\d+"):
            yield from ((name, word) for word in values.get(below).split())
        yield from _vlan(name)


def _vlan(name: str) -> Iterator[Pair]:
    if found := VLAN.fullmatch(name):
        yield name, found.group(1)
