"""NetworkManager's keyfiles: whose card a connection is for, and from static addresses to DHCP."""

import re
from collections.abc import Iterator, Mapping, Set

from rehost.stages.convert.network import places
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.layers import LEFT
from rehost.stages.convert.network.sections import Sections
from rehost.stages.convert.network.wish import MAC, normal

STATIC = re.compile(
    r"address(es)?\d*|routes?\d*(_options)?|routing-rule\d+|gateway|dns|ignore-auto-(dns|routes)"
    r"|may-fail"
)
WIRED = ("ethernet", "802-3-ethernet")
FAMILIES = ("ipv4", "ipv6")


def upon(draft: Draft, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A port names its bond or bridge by interface or by connection; so does a VLAN its parent."""
    files = [Sections(text) for _, text in draft.texts(*places.KEYFILES)]
    names = {_get(f, key): _interface(f, known) for f in files for key in ("uuid", "id")}
    for file in files:
        name = _interface(file, known)
        for key in ("master", "controller"):
            if top := _get(file, key):
                yield names.get(top) or top, name
        if below := "".join(file.values("vlan", "parent")):
            yield name, names.get(below) or below


def follow(draft: Draft, cards: Mapping[str, str]) -> None:
    """A connection for an interface that also names its card: the card is the target's now.

    That is not always an address that changes: with cloned-mac-address the source showed that one,
    and the card had another.
    """
    for path, text in draft.texts(*places.KEYFILES):
        sections = Sections(text)
        name = _name(sections)
        for entry in [e for kind in WIRED for e in sections.find(kind, "mac-address")]:
            if name in cards and MAC.fullmatch(entry.value) and normal(entry.value) != cards[name]:
                sections.replace(entry, cards[name].upper())
                why = f"{path}: {name} is the card with the address {cards[name]} now."
                draft.write(path, sections.text(), why)


def to_dhcp(draft: Draft, uplinks: Set[str], cards: Mapping[str, str]) -> None:
    for path, text in draft.texts(*places.KEYFILES):
        sections = Sections(text)
        manual = [e for f in FAMILIES for e in sections.find(f, "method") if e.value == "manual"]
        if manual and not _is_for(sections, uplinks, set(cards.values())):
            draft.note(LEFT.format(path, _name(sections) or "what it is for"))
            continue
        for entry in manual:
            sections.replace(entry, "auto")
            _take_out(sections, entry.name, is_only_card=len(cards) == 1)
        families = " and ".join(dict.fromkeys(e.name for e in manual))
        why = f"{path}: {families} by DHCP; the static addresses are comments now."
        draft.write(path, sections.text(), why)


def _take_out(sections: Sections, family: str, *, is_only_card: bool) -> None:
    """Of several cards, the one that shall have no default route is not to get one by DHCP."""
    for entry in sections.entries:
        is_static = STATIC.fullmatch(entry.key) or (is_only_card and entry.key == "never-default")
        if entry.name == family and is_static:
            sections.take_out(entry)


def _is_for(sections: Sections, uplinks: Set[str], macs: Set[str]) -> bool:
    """A connection that names neither an interface nor a card is for any card."""
    name, mac = _name(sections), _mac(sections)
    if name:
        return name in uplinks
    if mac:
        return mac in macs
    return _get(sections, "type") in WIRED


def _name(sections: Sections) -> str:
    return _get(sections, "interface-name")


def _mac(sections: Sections) -> str:
    """Of the card that it names; "" if it names none."""
    named = [v for kind in WIRED for v in sections.values(kind, "mac-address") if MAC.fullmatch(v)]
    return normal(named[-1]) if named else ""


def _interface(sections: Sections, known: Mapping[str, str]) -> str:
    """What it says, else the one of `known` whose address it has."""
    mac = _mac(sections)
    return _name(sections) or next((n for n, m in known.items() if mac and m == mac), "")


def _get(sections: Sections, key: str) -> str:
    return next(reversed(sections.values("connection", key)), "")
