"""Interfaces that are told by their slot or driver, which are others on the target."""

from collections.abc import Iterator, Mapping

from rehost.stages.convert.network import places
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.sections import Entry, Sections
from rehost.stages.convert.network.yaml_places import get, pairs, parse, word

KEYS = ("Path", "Driver")
ADDRESSES = ("MACAddress", "PermanentMACAddress")


def replace(draft: Draft, cards: Mapping[str, str]) -> None:
    """A .link file that names a card by its slot names it by its address."""
    for path, text in draft.texts(places.LINKS):
        sections = Sections(text)
        name = "".join(sections.values("Link", "Name")[-1:])
        slots = [e for e in sections.find("Match", *KEYS) if e.value != "*"]
        addresses = sections.find("Match", *ADDRESSES)
        if name not in cards or not slots or not _fits(addresses, cards[name]):
            continue
        for entry in slots:
            sections.take_out(entry)
        sections.add("Match", "Path=*" if addresses else f"MACAddress={cards[name]}\nPath=*")
        why = f"{path}: {name} is told by its address {cards[name]}, as its slot is another now."
        draft.write(path, sections.text(), why)


def _fits(addresses: list[Entry], mac: str) -> bool:
    """Of this card or of none."""
    named = [word.lower().replace("-", ":") for entry in addresses for word in entry.value.split()]
    return set(named) <= {mac}


def note(draft: Draft) -> None:
    for path, found in _found(draft):
        draft.note(
            f"{path} tells an interface by {found}; on the target it may be no such one any more."
        )


def _found(draft: Draft) -> Iterator[tuple[str, str]]:
    for path, text in draft.texts(places.LINKS, *places.NETWORKD, *places.KEYFILES):
        for entry in Sections(text).find("Match", *KEYS) + Sections(text).find(
            "match", "path", "driver"
        ):
            if entry.value not in {"", "*"}:
                yield path, f"{entry.key}={entry.value}"
    for path, text in draft.texts(*places.NETPLAN):
        try:
            ethernets = get(parse(text), "network", "ethernets")
        except ValueError:
            continue
        for _, interface in pairs(ethernets):
            if driver := word(get(interface, "match", "driver")):
                yield path, f"driver: {driver}"
