"""What of a machine has changed since the service was told, and whether to look at all."""

from enum import StrEnum
from typing import Any

from rehost.contract.codec import encode
from rehost.errors import HostError
from rehost.model.server import Report
from rehost.system.host import Host

DISK_FIELDS = frozenset({"disks", "volume_groups", "btrfs_list"})
# Never the same twice, or news of discovery alone; sent with whatever else is.
_VOLATILE = frozenset({"cpu_usage", "free_memory", "root_free", "io_read_wait", "missing"})
# How full things are: news only when it moves by a twentieth of the whole.
_FILL = frozenset({"used_size", "free_size", "g_vol_used_size"})
_STEPS = 20


class Change(StrEnum):
    NOTHING = "nothing"
    DISKS = "disks"
    FACTS = "facts"


def change(told: Report | None, now: Report) -> Change:
    """Compare what the service was told with what is there now."""
    if told is None:
        return Change.FACTS
    before, after = _steady(encode(told)), _steady(encode(now))
    changed = {name for name in after if before.get(name) != after[name]}
    if not changed:
        return Change.NOTHING
    return Change.DISKS if changed <= DISK_FIELDS else Change.FACTS


def fingerprint(host: Host) -> str:
    """Differs when disks, partitions or mounts of disks come, go or grow: two small reads.

    Mounts of other things are left out: containers make and drop them all the time.
    """
    partitions = _read(host, "/proc/partitions").splitlines()
    mounts = _read(host, "/proc/self/mountinfo").splitlines()
    return "\n".join(
        [line for line in partitions if " loop" not in line]
        + [line for line in mounts if " - " in line and _is_of_a_disk(line.partition(" - ")[2])]
    )


def _steady(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, list):
        return [_steady(item) for item in value]
    if not isinstance(value, dict):
        return value
    whole = value.get("size")
    return {
        name: _step(item, whole) if name in _FILL else _steady(item)
        for name, item in value.items()
        if name not in _VOLATILE
    }


def _step(fill: object, whole: object) -> object:
    if isinstance(fill, int) and isinstance(whole, int) and whole > 0:
        return round(fill * _STEPS / whole)
    return fill


def _is_of_a_disk(filesystem: str) -> bool:
    """`filesystem` is the end of a mountinfo line: type, source, options."""
    return filesystem.partition(" ")[2].startswith("/dev/")


def _read(host: Host, path: str) -> str:
    try:
        return host.read(path).decode(errors="replace")
    except HostError:
        return ""
