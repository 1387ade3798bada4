"""Network cards, and why they have their names. Whether they keep them elsewhere depends on it."""

import re
from collections.abc import Iterator, Mapping

from rehost.model.server import Card, NamedBy
from rehost.stages.discover.networks import NET
from rehost.stages.discover.survey import Survey
from rehost.system import link_file

ETHERNET = "1"  # ARPHRD_ETHER
RENAMED = "4"  # NET_NAME_RENAMED, in name_assign_type
BY_PLACE = ("ONBOARD", "SLOT", "PATH")
INDIFFERENT = frozenset({"keep", "kernel", "database"})  # of a policy: a VM's cards have none
COUNTED = re.compile(r"eth\d+")
PLACED = re.compile(r"(en|wl)(P\d+)?[ops]\d|em\d|p\d+p\d")
ADDRESSED = re.compile(r"enx[0-9a-f]{12}")
# All of a .link file that is not a comment, without the one secret that it may have.
LINK = r"^\s*(\[|(?!WakeOnLanPassword)\w+\s*=)"


def find_cards(survey: Survey) -> tuple[Card, ...]:
    """Raises HostError if /sys or /proc cannot be read."""
    # Without it, another machine may have a better name for the card than the kernel's.
    counted = "net.ifnames=0" in survey.text("/proc/cmdline", "").split()
    names = survey.host.entries(NET)
    return tuple(_card(survey, name, counted) for name in names if _is_card(survey, name))


def parse(lines: tuple[str, ...]) -> dict[str, str]:
    """udev's properties of a network device, without their prefix ID_NET_."""
    pairs = (line.removeprefix("E:ID_NET_").partition("=") for line in lines)
    return {key: value for key, _, value in pairs}


def is_tied(link: tuple[str, ...], name: str) -> bool:
    """Whether a .link file's lines give this name to the card with one address, wherever it is.

    A policy goes before `Name=`, and by it the card may have another name elsewhere.
    """
    names, policies = _values(link, "Name"), _values(link, "NamePolicy")
    is_by_address = link_file.is_by_address(_section(link, "Match"))
    return names[-1:] == [name] and not any(policies) and is_by_address


def prefers_address(link: tuple[str, ...]) -> bool:
    """Whether a .link file's policy names cards by address before it looks at their place.

    udev's own file for what is on USB does, but is for no other card.
    """
    words = "".join(_values(link, "NamePolicy")[-1:]).split()
    first = next((word for word in words if word not in INDIFFERENT), "")
    return first == "mac" and link_file.holds_elsewhere(_section(link, "Match"))


def _values(link: tuple[str, ...], wanted: str) -> list[str]:
    return [value for key, value in _section(link, "Link") if key == wanted]


def _section(lines: tuple[str, ...], wanted: str) -> Iterator[tuple[str, str]]:
    """Keys and values of all sections of that name."""
    section = ""
    for line in map(str.strip, lines):
        key, equals, value = line.partition("=")
        if line.startswith("["):
            section = line.strip("[]")
        elif equals and section == wanted:
            yield key.strip(), value.strip()


def _is_card(survey: Survey, name: str) -> bool:
    folder = f"{NET}/{name}"
    return "device" in survey.entries(folder) and survey.text(f"{folder}/type", "1") == ETHERNET


def _card(survey: Survey, name: str, counted: bool) -> Card:
    folder = f"{NET}/{name}"
    own = survey.text(f"{folder}/bonding_slave/perm_hwaddr", "")
    number = survey.text(f"{folder}/ifindex", "")
    known = parse(survey.grep(f"/run/udev/data/n{number}", "^E:ID_NET_"))
    renamed = survey.text(f"{folder}/name_assign_type", "") == RENAMED
    reasons = _reasons(survey, name, known, counted=counted and not renamed)
    return Card(
        name=name,
        mac=own or survey.text(f"{folder}/address", ""),
        named_by=next(reasons, None),
    )


def _reasons(
    survey: Survey, name: str, known: Mapping[str, str], *, counted: bool
) -> Iterator[NamedBy]:
    """The first is the one that counts."""
    link = survey.grep(known["LINK_FILE"], LINK) if "LINK_FILE" in known else ()
    if is_tied(link, name):
        yield NamedBy.ADDRESS
    if name == known.get("NAME_MAC") or ADDRESSED.fullmatch(name):
        # Without such a policy only what is on USB has this name, and a virtio card is not.
        yield from [NamedBy.ADDRESS] if prefers_address(link) else []
        return
    if name in {known.get(f"NAME_{place}") for place in BY_PLACE}:
        yield NamedBy.PLACE
    if counted and COUNTED.fullmatch(name):
        yield NamedBy.KERNEL
    if PLACED.match(name):
        yield NamedBy.PLACE
