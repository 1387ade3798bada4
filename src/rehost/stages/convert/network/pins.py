"""Each interface keeps its name, whatever slot its card is in. Why so: docs/decisions.

From systemd 240 on a .link file; before, a udev rule, as an interface that the initramfs has
renamed is not renamed again by a .link file there.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping

from rehost.stages.convert.network import places, swaps
from rehost.stages.convert.network.draft import Draft, lines
from rehost.stages.convert.network.sections import Sections
from rehost.stages.convert.network.wish import NAME
from rehost.system import link_file

LINK = "/etc/systemd/network/00-rehost-{}.link"
DEFAULT = "99-default.link"  # systemd's own, for every interface
RULES = "/etc/udev/rules.d/70-rehost-net.rules"
# An interface that is up is not renamed (before Linux 6.2), and systemd-networkd takes up what the
# initramfs has named already before udev gives it another name.
SETTLE = "/etc/systemd/system/systemd-networkd.service.d/00-rehost.conf"
SETTLE_TEXT = (
    "# Written by Rehost when this server was migrated: its interfaces get their names first.\n"
    "[Unit]\nWants=systemd-udev-settle.service\nAfter=systemd-udev-settle.service\n"
)
RENAMES_AGAIN = 240  # systemd's first version with NAMING_ALLOW_RERENAMES
LIBRARY = re.compile(r"libsystemd-shared-(\d+)")
HEAD = "# Written by Rehost when this server was migrated: {} keeps its name on its new hardware.\n"
# Path: with hardware behind it. A VLAN has the address of its card, and must not get its name.
LINK_TEXT = HEAD + "[Match]\nMACAddress={}\nPath=*\n\n[Link]\nName={}\n"
# DRIVERS: as above.
RULE = (
    'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{address}}=="{}", '
    'ATTR{{type}}=="1", NAME="{}"\n'
)
RULE_NAME = re.compile(r'\bNAME:?="([^"]*)"')
RULE_MAC = re.compile(r'ATTRS?\{address\}=="([^"]*)"')
# What another machine, or an initramfs that has renamed the card already, does not fulfil.
RULE_HERE = re.compile(r'\b(KERNELS?|DEVPATH|DRIVERS|ID|BUS)=="(?!\?\*")|\bENV\{ID_(PATH|NET)')


def pin(draft: Draft, names: Mapping[str, str], pinned: Mapping[str, str]) -> None:
    """`names`: interface → address on the target. `pinned`: those that netplan names already."""
    wanted = {name: mac for name, mac in names.items() if NAME.fullmatch(name)}
    for name in names.keys() - wanted.keys():
        draft.note(f"The interface {name!r} has a name that cannot be pinned.")
    if renames_again(draft):
        hidden = _by_links(draft, {n: mac for n, mac in wanted.items() if pinned.get(n) != mac})
        _by_rules(draft, _named_otherwise(draft, wanted) | hidden)
    else:
        _by_rules(draft, wanted)
    swaps.mend(draft, wanted)


def renames_again(draft: Draft) -> bool:
    """Whether systemd gives an interface its name from a .link file after the initramfs did."""
    libraries = (LIBRARY.search(path) for path in draft.paths(*places.EXISTING))
    return any(int(found.group(1)) >= RENAMES_AGAIN for found in libraries if found)


def _by_links(draft: Draft, wanted: Mapping[str, str]) -> dict[str, str]:
    """Those of `wanted` whose file another one may hide: a rule goes before both."""
    hidden = {}
    for name, mac in wanted.items():
        own = LINK.format(name)
        first = next((p for p in _links_for(draft, mac) if p != own), None)
        if first and _is_for_one(draft, first):
            _name_in(draft, first, name, mac)
            continue
        if first and _file_name(first) < _file_name(own):
            hidden[name] = mac
            continue
        why = f"{own}: {name} is the card with the address {mac}, whatever slot it is in."
        draft.write(own, LINK_TEXT.format(name, mac, name), why)
        _wait_for_names(draft)
        if first:
            draft.note(f"{own} goes before {first}: what that sets for {name}, set there too.")
    return hidden


def _wait_for_names(draft: Draft) -> None:
    if draft.paths(*places.NETWORKD, *places.NETPLAN):
        why = f"{SETTLE}: systemd-networkd waits until interfaces have their names."
        draft.write(SETTLE, SETTLE_TEXT, why)


def _links_for(draft: Draft, mac: str) -> Iterator[str]:
    """The administrator's files that may be for this card; the first that is, counts alone."""
    for path, text in draft.texts(places.LINKS):
        sections = Sections(text)
        macs = link_file.addresses(sections.pairs("Match"))
        kernel = [n for v in sections.values("Match", "OriginalName") for n in v.split()]
        if (macs and mac not in macs) or _file_name(path) >= DEFAULT:
            continue
        if macs or not kernel or any(fnmatch.fnmatchcase("eth0", n) for n in kernel):
            yield path


def _file_name(path: str) -> str:
    """By which systemd goes, whatever the folder."""
    return path.rpartition("/")[2]


def _is_for_one(draft: Draft, path: str) -> bool:
    """For this card and no other, also on the target."""
    return link_file.is_by_address(Sections(draft.text(path)).pairs("Match"))


def _name_in(draft: Draft, path: str, name: str, mac: str) -> None:
    """The administrator's own file for this card: only the first that matches counts."""
    sections = Sections(draft.text(path))
    names = sections.find("Link", "Name")
    policies = [e for e in sections.find("Link", "NamePolicy") if e.value]
    if sections.values("Link", "Name")[-1:] == [name] and not policies:
        return
    for policy in policies:
        sections.take_out(policy)
    for entry in names[:-1]:
        sections.take_out(entry)
    if names:
        sections.replace(names[-1], name)
    else:
        sections.add("Link", f"Name={name}")
    draft.write(path, sections.text(), f"{path}: names the card with the address {mac} {name}.")


def _by_rules(draft: Draft, wanted: Mapping[str, str]) -> None:
    named = {mac: name if lasts else "" for mac, name, lasts in _named_by_rules(draft)}
    missing = {name: mac for name, mac in wanted.items() if named.get(mac) != name}
    if not missing:
        return
    text = HEAD.format("each network interface")
    text += "".join(RULE.format(mac, name) for name, mac in sorted(missing.items()))
    cards = ", ".join(f"{name} is the card with the address {mac}" for name, mac in missing.items())
    draft.write(RULES, text, f"{RULES}: {cards}, whatever slot it is in.")
    _wait_for_names(draft)


def _named_otherwise(draft: Draft, wanted: Mapping[str, str]) -> dict[str, str]:
    """Those that a rule may give another name; a rule goes before .link files."""
    named = {mac: name for mac, name, _ in _named_by_rules(draft)}
    if "" in named:
        return dict(wanted)
    return {name: mac for name, mac in wanted.items() if named.get(mac, name) != name}


def _named_by_rules(draft: Draft) -> Iterator[tuple[str, str, bool]]:
    """Address, name, and whether it will be so on other hardware, in the order of force.

    The last counts. The address is "" for any way but an address.
    """
    for path, text in draft.texts(places.UDEV):
        for line in lines(text):
            name, mac = RULE_NAME.search(line), RULE_MAC.search(line)
            if path == RULES or not name or line.lstrip().startswith("#"):
                continue
            if mac:
                yield mac.group(1).lower(), name.group(1), not RULE_HERE.search(line)
            elif '"net"' in line and "$" not in name.group(1) and "%" not in name.group(1):
                yield "", name.group(1), False
