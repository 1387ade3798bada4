"""What is wanted of a guest's network, and what comes of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MAC = re.compile(
    r"(?<![0-9A-Za-z:.-])(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
    r"(?![0-9A-Za-z]|[:-][0-9A-Fa-f])"
)
MULTICAST = 1  # in the first byte
ZERO = "00:00:00:00:00:00"
# What the kernel and each of the tools accept, without what would need quoting somewhere.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What shall be true of the guest when it starts.

    `names`: the source's interfaces and their hardware addresses there. Each keeps its name on
    the target, and with `dhcp` each asks for its addresses there. What stands upon hardware (a
    bond, a bridge, a VLAN) may be among them: it is recognised, and needs no pinning.
    `macs`: addresses that change, old → new; whatever is not named is kept.

    Raises ValueError for an address that is none, or that no card can have, and where a new
    address is also an old one that changes: then nobody could tell what has been changed already.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    macs: Mapping[str, str] = field(default_factory=dict)
    dhcp: bool = False

    def __post_init__(self) -> None:
        macs = {normal(old): normal(new) for old, new in self.macs.items()}
        macs = {old: new for old, new in macs.items() if old != new}
        for new in macs.values():
            if int(new[:2], 16) & MULTICAST or new == ZERO:
                raise ValueError(f"no card can have the address {new}")
        again = sorted(set(macs) & set(macs.values()))
        if again or len(set(macs.values())) < len(macs):
            raise ValueError(f"addresses are both old and new, or twice new: {again or macs}")
        names = {name: normal(mac) for name, mac in self.names.items() if mac}
        object.__setattr__(self, "macs", macs)
        object.__setattr__(self, "names", names)

    def target(self, mac: str) -> str:
        """The address that the hardware with this address has on the target."""
        return self.macs.get(normal(mac), normal(mac))

    def replace_macs(self, text: str) -> str:
        """`text` with each old address as its new one, in the old one's style."""
        return MAC.sub(self._new, text)

    def _new(self, found: re.Match[str]) -> str:
        old = found.group()
        new = self.macs.get(normal(old))
        if new is None:
            return old
        styled = new.upper() if old == old.upper() and old != old.lower() else new
        return styled.replace(":", found.group(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """`files`: what to write, or with None to remove, by path; new ones get mode 0644.

    `changes`: sentences on each change and why. `notes`: sentences on what an administrator
    should know: files that cannot be read, and what was left although it may not fit.
    """

    files: Mapping[str, bytes | None] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def normal(mac: str) -> str:
    """Raises ValueError unless it is an Ethernet address."""
    if not MAC.fullmatch(mac):
        raise ValueError(f"not a hardware address: {mac!r}")
    return mac.lower().replace("-", ":")
