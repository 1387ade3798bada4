"""A migrated Linux guest's network configuration, rewritten for its new hardware.

    wish = Wish(names={n.name: n.mac for n in report.networks}, macs=options.macs)
    rewriting = rewrite({path: content, …}, wish)

`rewrite` is pure. Give it every file of the guest whose path matches one of `FILES`, with its
content, and every one that matches `EXISTING`, with any content (b""): paths are absolute, links
are followed. A star stands for part of a name and does not reach over a slash. Afterwards write
`rewriting.files`, keeping owner and mode of files that were there (netplan's and NetworkManager's
must not be readable by all), and show `changes` and `notes` to people.
Doing it again with the same wish changes nothing more.

To add a kind of configuration: its paths in places.py, a module, and a line in `rewrite`.
"""

from collections.abc import Mapping, Set

from rehost.stages.convert.network import (
    addresses,
    cloud_init,
    ifcfg,
    ifupdown,
    keyfiles,
    netplan,
    networkd,
    pins,
    slots,
    stack,
)
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.layers import hardware, upon
from rehost.stages.convert.network.places import EXISTING, FILES
from rehost.stages.convert.network.wish import Rewriting, Wish

__all__ = ["EXISTING", "FILES", "Rewriting", "Wish", "rewrite"]


def rewrite(files: Mapping[str, bytes], wish: Wish) -> Rewriting:
    """What must change in `files` so that `wish` comes true; no content of theirs raises."""
    draft = Draft(files)
    if wish.macs:
        addresses.change(draft, wish)
        netplan.change(draft, wish)
    stands = stack.find(draft, {name: wish.target(mac) for name, mac in wish.names.items()})
    cards = hardware(wish, stands)
    _note_shared(draft, wish, cards)
    for follow in (ifcfg.follow, keyfiles.follow, netplan.follow):
        follow(draft, cards)
    if wish.dhcp:
        _to_dhcp(draft, cards, upon(cards, stands))
    slots.replace(draft, cards)
    netplan.drop_drivers(draft, cards)
    pins.pin(draft, cards, netplan.named(draft))
    slots.note(draft)
    if wish != Wish():
        cloud_init.keep_out(draft)
    return draft.result()


def _to_dhcp(draft: Draft, cards: Mapping[str, str], uplinks: Set[str]) -> None:
    ifupdown.to_dhcp(draft, uplinks)
    ifcfg.to_dhcp(draft, uplinks, cards)
    networkd.to_dhcp(draft, uplinks, cards)
    keyfiles.to_dhcp(draft, uplinks, cards)
    netplan.to_dhcp(draft, uplinks, cards)


def _note_shared(draft: Draft, wish: Wish, cards: Mapping[str, str]) -> None:
    for mac in {wish.target(mac) for mac in wish.names.values()} - set(cards.values()):
        names = sorted(name for name, its in wish.names.items() if wish.target(its) == mac)
        if len(names) > 1:
            draft.note(f"{', '.join(names)} have one address, {mac}: none was tied to its name.")
