"""Whether this machine is the one that a credential was given to."""

from rehost.model.server import Identity

# What makers put in who never set one: many machines have these.
_PLACEHOLDERS = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
    }
)


def contradiction(stored: Identity, present: Identity) -> str | None:
    """Say what shows that these are two machines; None if nothing does.

    Hardware decides, for a clone has the machine-id of its original. What is not known on either
    side shows nothing, and a disk that was exchanged shows nothing while others are the same.
    """
    before, now = _dmi_uuid(stored), _dmi_uuid(present)
    if before and now:
        return None if before == now else f"hardware UUID {now} instead of {before}"
    serials, present_serials = set(stored.disk_serials or ()), set(present.disk_serials or ())
    if serials and present_serials and not serials & present_serials:
        return f"disks {_list(present_serials)} instead of {_list(serials)}"
    return None


def merged(stored: Identity, present: Identity) -> Identity:
    """What is known now, and what was known before where it is not."""
    return Identity(
        machine_id=present.machine_id or stored.machine_id,
        dmi_uuid=present.dmi_uuid or stored.dmi_uuid,
        disk_serials=present.disk_serials or stored.disk_serials,
    )


def _dmi_uuid(identity: Identity) -> str | None:
    uuid = (identity.dmi_uuid or "").lower()
    return uuid if uuid and uuid not in _PLACEHOLDERS else None


def _list(serials: set[str]) -> str:
    return ", ".join(sorted(serials))
