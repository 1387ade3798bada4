"""ifupdown: from static addresses to DHCP, and to router advertisements for IPv6.

Not to DHCPv6: where the network has no such server, ifup would wait for it and fail, and the
start of the guest with it. What routers announce needs no answer.
"""

import re
from collections.abc import Set
from dataclasses import dataclass, field

from rehost.stages.convert.network import places
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.layers import LEFT
from rehost.stages.convert.network.stanzas import Stanza, Stanzas

DYNAMIC = {"inet": "dhcp", "inet6": "auto"}
STATIC_OPTIONS = re.compile(
    r"address|netmask|broadcast|network|gateway|pointopoint|scope|media|accept-ra|autoconf"
    r"|preferred-lifetime|dns-nameservers?"
)
COMMANDS = frozenset({"up", "post-up", "pre-up", "down", "pre-down", "post-down"})


@dataclass(slots=True)
class _Switch:
    uplinks: Set[str]
    dynamic: set[tuple[str, str]] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)


def to_dhcp(draft: Draft, uplinks: Set[str]) -> None:
    files = {path: Stanzas(text) for path, text in draft.texts(*places.IFUPDOWN)}
    stanzas = [s for file in files.values() for s in file.interfaces()]
    switch = _Switch(uplinks)
    switch.dynamic = {(s.name, s.family) for s in stanzas if s.method in {"dhcp", "auto"}}
    said = {path: _switch(draft, path, file, switch) for path, file in files.items()}
    left = {s.name for s in stanzas if s.method != "static"}
    for path, file in files.items():
        _forget(file, switch.gone - left)
        why = f"{path}: {', '.join(said[path])} by DHCP; the static addresses are comments now."
        draft.write(path, file.text(), why)
    if any(said.values()) and not draft.paths(*places.DHCP_CLIENTS):
        draft.note("No DHCP client (dhclient, dhcpcd, udhcpc) was found, which ifupdown needs.")


def _switch(draft: Draft, path: str, file: Stanzas, switch: _Switch) -> list[str]:
    said = []
    for stanza in file.interfaces():
        if stanza.method != "static" or stanza.family not in DYNAMIC or stanza.card == "lo":
            continue
        if stanza.card not in switch.uplinks:
            draft.note(LEFT.format(path, stanza.card))
            continue
        _note_commands(draft, path, stanza)
        said.append(f"{stanza.name} ({stanza.family})")
        if stanza.name != stanza.card or (stanza.name, stanza.family) in switch.dynamic:
            file.take_out(stanza)  # one more address of an interface that asks for its own
            switch.gone |= {stanza.name} - {stanza.card}
            continue
        switch.dynamic.add((stanza.name, stanza.family))
        file.set_method(stanza, DYNAMIC[stanza.family])
        for option in stanza.options:
            if STATIC_OPTIONS.fullmatch(option.key.replace("_", "-")):
                file.take_out(option)
    return said


def _forget(file: Stanzas, gone: Set[str]) -> None:
    for stanza in file.stanzas:
        if stanza.keyword == "auto" or stanza.keyword.startswith("allow-"):
            for name in set(stanza.words) & gone:
                file.take_out_word(stanza, name)


def _note_commands(draft: Draft, path: str, stanza: Stanza) -> None:
    for option in stanza.options:
        if option.key in COMMANDS and "route" in option.value:
            draft.note(
                f"{path}: {stanza.name} still runs {option.value!r}, which may not fit the network."
            )
