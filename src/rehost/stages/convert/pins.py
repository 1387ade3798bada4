"""Network cards keep their names: files that tie a name to a MAC address.

systemd.link(5) from systemd 240 on: earlier ones do not give a card another name if the initramfs
has already given it one. There, and without systemd, it is a rule for udev.
"""

import re
from collections.abc import Iterable

from rehost.stages.convert.plan import Pin

LINKS = "/etc/systemd/network"
RULES = "/etc/udev/rules.d"
RENAMES_AGAIN = 240  # version of systemd
SHARED = re.compile(r"libsystemd-shared-(\d+)")


def systemd_version(paths: Iterable[str]) -> int:
    """From the paths of its private library; 0 without any."""
    return max((int(found[1]) for path in paths if (found := SHARED.search(path))), default=0)


def pin_file(pin: Pin, systemd: int) -> tuple[str, str]:
    """The path and the contents of the file."""
    if systemd >= RENAMES_AGAIN:
        return f"{LINKS}/10-rehost-{pin.name}.link", _link(pin)
    return f"{RULES}/70-rehost-{pin.name}.rules", _rule(pin)


def _link(pin: Pin) -> str:
    # Bonds and VLANs have a card's address, but no place: the path leaves them out.
    return (
        "# Written by Rehost: this card has the name that it had before the migration.\n"
        f"[Match]\nMACAddress={pin.mac}\nPath=*\n\n[Link]\nName={pin.name}\n"
    )


def _rule(pin: Pin) -> str:
    # A driver is what bonds and VLANs, which have a card's address, do not have.
    return (
        "# Written by Rehost: this card has the name that it had before the migration.\n"
        'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{type}=="1", '
        f'ATTR{{address}}=="{pin.mac}", NAME="{pin.name}"\n'
    )
