"""What tells this machine from any other."""

from collections.abc import Sequence

from rehost.model.server import Hardware, Identity
from rehost.stages.discover.platform import DMI
from rehost.stages.discover.survey import Survey


def find_identity(survey: Survey, hardware: Sequence[Hardware] | None) -> Identity:
    """`disk_serials` are in the order of the disks; a disk without one is left out."""
    fact = "facts.identity"
    return Identity(
        machine_id=survey.attempt(f"{fact}.machine_id", lambda: _machine_id(survey)),
        # Firmware writes it in capitals or not, and kernels show it as it is.
        dmi_uuid=survey.attempt(
            f"{fact}.dmi_uuid", lambda: survey.text(f"{DMI}/product_uuid", "").lower()
        ),
        disk_serials=tuple(h.serial for h in hardware if h.serial) if hardware else None,
    )


def _machine_id(survey: Survey) -> str:
    found = survey.text("/etc/machine-id", "")
    return found or survey.text("/var/lib/dbus/machine-id", "")
