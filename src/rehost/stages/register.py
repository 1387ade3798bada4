"""Report -> stored source: is this a machine that is registered already?

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

So disks may be added, removed and replaced, as long as one stays from one report to the next. A
machine taken for new by mistake costs an entry in a list; two machines taken for one would
overwrite each other.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import TypeVar

from rehost.model.server import Identity, Report

Key = TypeVar("Key")

# UUIDs that firmware shows where its vendor wrote none; dmidecode and fwupd know the same.
JUNK_UUIDS = frozenset(
    uuid.replace("-", "")
    for uuid in (
        "03000200-0400-0500-0006-000700080009",  # AMI's default
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "12345678-1234-1234-1234-123456789012",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
        "00020003-0004-0005-0006-000700080009",  # the same default with its bytes swapped
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
    if _share_disk(a, b) is False:
        return False
    by_id, by_uuid = _equal(_machine_id(a), _machine_id(b)), _equal(_uuid(a), _uuid(b))
    if by_id is None:
        return by_uuid is True
    return by_id and by_uuid is not False


def find(report: Report, candidates: Mapping[Key, Identity]) -> Key | None:
    """Which of these registered machines the report is of, None if it is a new one.

    Candidates are those with the report's `identity_key`. If several fit, one that shares a disk
    wins, then the first.
    """
    identity = identity_of(report)
    fitting = [key for key, other in candidates.items() if same_machine(identity, other)]
    sharing = [key for key in fitting if _share_disk(identity, candidates[key])]
    return next(iter(sharing + fitting), None)


def identity_of(report: Report) -> Identity:
    """What the report says; nothing if it comes from an agent other than ours."""
    return report.facts.identity if report.facts else Identity()


def identity_key(identity: Identity) -> str | None:
    """For an indexed column: a digest of the machine-id, or of the DMI uuid where there is none.

    Clones may have the same key, so a look-up by it gives candidates, not an answer. None if
    nothing identifies the machine: then it cannot be recognised.
    """
    # A machine-id is confidential (machine-id(5)), so no column shows it.
    for kind, value in (("machine-id", _machine_id(identity)), ("dmi-uuid", _uuid(identity))):
        if value is not None:
            return sha256(f"rehost {kind} {value}".encode()).hexdigest()
    return None


def _equal(a: str | None, b: str | None) -> bool | None:
    return None if a is None or b is None else a == b


def _share_disk(a: Identity, b: Identity) -> bool | None:
    serials = _serials(a), _serials(b)
    return bool(serials[0] & serials[1]) if all(serials) else None


def _machine_id(identity: Identity) -> str | None:
    # "uninitialized" is what systemd writes into images that are made to be copied.
    text = _plain(identity.machine_id)
    return text if text and text != "uninitialized" and len(set(text)) > 1 else None


def _uuid(identity: Identity) -> str | None:
    text = _plain(identity.dmi_uuid)
    if not re.fullmatch(r"[0-9a-f]{32}", text) or text in JUNK_UUIDS or len(set(text)) == 1:
        return None
    return min(text, _swapped(text))


def _swapped(uuid: str) -> str:
    """The first three fields are little-endian since SMBIOS 2.6; kernels differ on older ones."""
    a, b, c = (bytes.fromhex(part)[::-1].hex() for part in (uuid[:8], uuid[8:12], uuid[12:16]))
    return a + b + c + uuid[16:]


def _serials(identity: Identity) -> frozenset[str]:
    plain = map(_normal_serial, identity.disk_serials or ())
    return frozenset(serial for serial in plain if serial and not JUNK_SERIAL.fullmatch(serial))


def _normal_serial(serial: str) -> str:
    return re.sub(r"[\s_]+", "", serial).lower()


def _plain(text: str | None) -> str:
    return re.sub(r"[\s{}-]+", "", text or "").lower()
