"""Interfaces that are told by their slot or driver, which are others on the target."""

from collections.abc import Iterator, Mapping

from rehost.stages.convert.network import places
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.sections import Sections
from rehost.stages.convert.network.yaml_places import get, pairs, parse, word
from rehost.system import link_file

KEYS = ("Path", "Driver")


def replace(draft: Draft, cards: Mapping[str, str]) -> None:
    """A .link file that names a card by its slot names it by its address."""
    for path, text in draft.texts(places.LINKS):
        sections = Sections(text)
        name = "".join(sections.values("Link", "Name")[-1:])
        slots = [e for e in sections.find("Match", *KEYS) if e.value != "*"]
        addresses = link_file.addresses(sections.pairs("Match"))
        if name not in cards or not slots or not {*addresses} <= {cards[name]}:
            continue  # or it is for another card
        for entry in slots:
            sections.take_out(entry)
        is_said = sections.find("Match", *link_file.ADDRESSES)
        sections.add("Match", "Path=*" if is_said else f"MACAddress={cards[name]}\nPath=*")
        why = f"{path}: {name} is told by its address {cards[name]}, as its slot is another now."
        draft.write(path, sections.text(), why)


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
