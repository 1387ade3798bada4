"""What stands upon what: bonds, bridges, VLANs, as any of the guest's configuration says.

An interface that stands upon no card, a bridge of containers for instance, has nothing to do
with where the server is: it keeps its addresses whatever is wished.
"""

import re
from collections.abc import Iterator

from rehost.stages.convert.network import keyfiles, netplan, places
from rehost.stages.convert.network.assignments import Assignments
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.layers import Pair
from rehost.stages.convert.network.sections import Sections
from rehost.stages.convert.network.stanzas import Stanzas

VLAN = re.compile(r"(.+)\.\d+")


def find(draft: Draft) -> frozenset[Pair]:
    """(what stands upon, what is below)."""
    pairs = set(_ifupdown(draft)) | set(_networkd(draft)) | set(_ifcfg(draft))
    return frozenset(pairs | set(netplan.upon(draft)) | set(keyfiles.upon(draft)))


def _ifupdown(draft: Draft) -> Iterator[Pair]:
    for _, text in draft.texts(*places.IFUPDOWN):
        for stanza in Stanzas(text).interfaces():
            below = ("bond-slaves", "slaves", "bridge-ports", "vlan-raw-device", "ovs-ports")
            for name in stanza.values(*below):
                yield stanza.card, name
            for name in stanza.values("bond-master", "ovs-bridge"):
                yield name, stanza.card
            yield from _vlan(stanza.card)


def _networkd(draft: Draft) -> Iterator[Pair]:
    keys = ("Bond", "Bridge", "VLAN", "MACVLAN", "IPVLAN", "VRF")
    for _, text in draft.texts("/etc/systemd/network/*.network"):
        sections = Sections(text)
        matched = [n for value in sections.values("Match", "Name") for n in value.split()]
        for entry in sections.find("Network", *keys):
            yield from ((top, name) for top in entry.value.split() for name in matched)


def _ifcfg(draft: Draft) -> Iterator[Pair]:
    for path, text in draft.texts(*places.IFCFG_INTERFACES):
        values = Assignments(text)
        name = values.get("DEVICE") or path.partition("ifcfg-")[2]
        for top in ("MASTER", "BRIDGE", "TEAM_MASTER"):
            if values.get(top):
                yield values.get(top), name
        for below in values.names(r"PHYSDEV|ETHERDEVICE|BRIDGE_PORTS|BONDING_SLAVE_?\d+"):
            yield from ((name, word) for word in values.get(below).split())
        yield from _vlan(name)


def _vlan(name: str) -> Iterator[Pair]:
    if found := VLAN.fullmatch(name):
        yield name, found.group(1)
