"""systemd.link(5): which conditions of a .link file's [Match] hold for a card wherever it is."""

from collections.abc import Iterable

ADDRESSES = ("MACAddress", "PermanentMACAddress")
ETHERNET = "ether"


def addresses(match: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Those that the keys and values of [Match] name, as udev writes them: aa:bb:cc:dd:ee:ff."""
    return tuple(
        word.lower().replace("-", ":")
        for key, value in match
        if key in ADDRESSES
        for word in value.split()
    )


def is_by_address(match: Iterable[tuple[str, str]]) -> bool:
    """Whether the keys and values of [Match] tell one card by its address and by nothing else.

    A slot, a driver or a hypervisor is another one on other hardware, and then the file is for
    no card at all.
    """
    known = tuple((key, value.strip()) for key, value in match)
    return len(set(addresses(known))) == 1 and holds_elsewhere(known)


def holds_elsewhere(match: Iterable[tuple[str, str]]) -> bool:
    """Whether the keys and values of [Match] hold for a card for which they hold here."""
    return all(_holds(key, value.strip()) for key, value in match)


def _holds(key: str, value: str) -> bool:
    if key in ADDRESSES or not value:
        return True
    return (key in {"Path", "OriginalName"} and value == "*") or (key, value) == ("Type", ETHERNET)
