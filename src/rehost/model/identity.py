"""Whether two reports are of one machine: one rule for the service and for its agents.

Three facts identify a machine: its machine-id (the installed system's), its DMI uuid (the
hardware's or the virtual machine's) and the serials of its disks. What is not known says nothing:
None, and values that vendors ship in thousands. Names, addresses and the agent's own files are
no part of it, so that renaming a machine or installing its agent again changes nothing.

| machine-id | DMI uuid | disk serials | the machine is |
|---|---|---|---|
| differs | | | another, or another system on the same hardware |
| same | differs | | another: a clone |
| same | same, or unknown on a side | known on both sides, none in common | another: a clone |
| same | same, or unknown on a side | one in common, or unknown on a side | the same |
| unknown on a side | same | one in common, or unknown on a side | the same |
| unknown on a side | otherwise | | another: nothing says that it is the same |

So disks may be added, removed and replaced, as long as one stays from one report to the next.
"""

import re

from rehost.model.server import Identity

# UUIDs that firmware shows where its vendor wrote none, beside one digit repeated.
JUNK_UUIDS = frozenset(
    text.replace("-", "")
    for text in (
        "03000200-0400-0500-0006-000700080009",  # AMI's default
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "12345678-1234-1234-1234-123456789012",
        "4c4c4544-0000-2010-8020-80c04f202020",  # Dell's, with an empty service tag
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
    )
)
# Not a serial number: words for none, digits counted out by hand, and what QEMU and Proxmox name
# the first disk of every machine.
JUNK_SERIAL = re.compile(
    r"none|null|unknown|default|notspecified|n/?a|tobefilledby.*|x+|0*1?"
    r"|0?123456789(0|abcdef)?|(.)\2*|qm\d{5}|drive-(ide|sata|scsi|virtio)\d+(-\d+)*"
)


def same_machine(a: Identity, b: Identity) -> bool:
    """By the table above. Symmetric; a machine of which nothing is known equals none."""
    if share_disk(a, b) is False:
        return False
    by_id, by_uuid = _equal(machine_id(a), machine_id(b)), _equal(uuid(a), uuid(b))
    if by_id is None:
        return by_uuid is True
    return by_id and by_uuid is not False


def contradictions(a: Identity, b: Identity) -> list[str]:
    """What shows that these are two machines; empty also where too little is known."""
    same = {
        "machine-id": _equal(machine_id(a), machine_id(b)),
        "hardware UUID": _equal(uuid(a), uuid(b)),
        "disks": share_disk(a, b),
    }
    return [fact for fact, equal in same.items() if equal is False]


def share_disk(a: Identity, b: Identity) -> bool | None:
    serials = _serials(a), _serials(b)
    return bool(serials[0] & serials[1]) if all(serials) else None


def machine_id(identity: Identity) -> str | None:
    # "uninitialized" is what systemd writes into images that are made to be copied.
    text = _plain(identity.machine_id)
    return text if text and text != "uninitialized" and len(set(text)) > 1 else None


def uuid(identity: Identity) -> str | None:
    text = _plain(identity.dmi_uuid)
    if not re.fullmatch(r"[0-9a-f]{32}", text) or len(set(text)) == 1:
        return None
    written = {text, _swapped(text)}
    return None if written & JUNK_UUIDS else min(written)


def _equal(a: str | None, b: str | None) -> bool | None:
    return None if a is None or b is None else a == b


def _swapped(text: str) -> str:
    """The first three fields are little-endian since SMBIOS 2.6; kernels differ on older ones."""
    a, b, c = (bytes.fromhex(part)[::-1].hex() for part in (text[:8], text[8:12], text[12:16]))
    return a + b + c + text[16:]


def _serials(identity: Identity) -> frozenset[str]:
    plain = map(_normal_serial, identity.disk_serials or ())
    return frozenset(serial for serial in plain if serial and not JUNK_SERIAL.fullmatch(serial))


def _normal_serial(serial: str) -> str:
    return re.sub(r"[\s_]+", "", serial).lower()


def _plain(text: str | None) -> str:
    return re.sub(r"[\s{}-]+", "", text or "").lower()
