"""Which interfaces are cards, and which stand upon cards."""

import re
from collections.abc import Iterable, Set

from rehost.stages.convert.network.wish import Wish

Pair = tuple[str, str]  # what stands upon, what is below

# Names that are given to what stands on cards, by custom.
UPON = re.compile(r".*\.\d+|(bond|team|br|virbr|docker|vlan|vmbr|dummy|tun|tap|wg|veth|lxcbr).*")
LEFT = "{}: {} keeps its static addresses: nothing tells that it stands upon a card."
BEHIND = re.compile(r"enP\d+s\d+.*")  # a virtual function, in a PCI domain of its own


def hardware(wish: Wish, pairs: Iterable[Pair]) -> dict[str, str]:
    """Interface → address on the target, of cards only, and only one with each address.

    A VLAN, a bond or a bridge has the address of the card below it, and in Azure a card has a
    second one behind it for speed: of several names with one address, those that are called like
    such things are not the card. Where several are left, nobody could tell which is which.
    """
    known = {top for top, _ in pairs}
    names = {name: mac for name, mac in wish.names.items() if name not in known}
    for pattern in (UPON, BEHIND):
        shared = {mac for mac in names.values() if list(names.values()).count(mac) > 1}
        names = {
            n: mac for n, mac in names.items() if mac not in shared or not pattern.fullmatch(n)
        }
    alone = [mac for mac in names.values() if list(names.values()).count(mac) == 1]
    return {name: wish.target(mac) for name, mac in names.items() if mac in alone}


def upon(cards: Iterable[str], pairs: Iterable[Pair]) -> Set[str]:
    """The cards, and what stands upon them by however many steps."""
    found, known = set(cards), set(pairs)
    while more := {top for top, below in known if below in found} - found:
        found |= more
    return found
