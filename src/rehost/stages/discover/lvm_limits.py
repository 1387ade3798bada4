"""What keeps LVM from seeing a disk that is another machine's: its devices file, and its filters.

Formats: lvmdevices(8), and filter and global_filter in lvm.conf(5).
"""

import re
from collections.abc import Iterable, Iterator

from rehost.stages.discover.blocks import Blocks
from rehost.stages.discover.survey import Survey

DEVICES = "/etc/lvm/devices/system.devices"  # by serial number or WWID: RHEL 9 makes one
CONFIGURATIONS = ("/etc/lvm/lvm.conf", "/etc/lvm/lvmlocal.conf")
FILTER = r"^\s*(global_)?filter\s*=.*\]"
RULE = re.compile(r"""["']([ar])(.)(.*?)\2["']""")
# Names that a physical volume has where it is on a virtio disk.
ELSEWHERE = ("/dev/vda", "/dev/vda2", "/dev/disk/by-id/lvm-pv-uuid-0")


def find_lvm_limits(survey: Survey, blocks: Blocks) -> tuple[str, ...]:
    """Paths of the files; none on a machine that does not use LVM. Raises HostError."""
    is_used = any(block.kind == "lvm" for block in blocks.all.values())
    return tuple(_limits(survey)) if is_used else ()


def _limits(survey: Survey) -> Iterator[str]:
    if survey.exists(DEVICES):
        yield DEVICES
    for path in CONFIGURATIONS:
        if any(hides(line) for line in survey.grep(path, FILTER)):
            yield path


def hides(line: str) -> bool:
    """Whether a filter lets LVM see none of the names that the volume has elsewhere.

    As LVM does: the first rule that fits a name counts, and one accepted name is enough.
    """
    rules = [(found[1], found[3]) for found in RULE.finditer(line)]
    answers = {_answer(rules, name) for name in ELSEWHERE}
    return "r" in answers and "a" not in answers


def _answer(rules: Iterable[tuple[str, str]], name: str) -> str:
    return next((action for action, pattern in rules if _fits(pattern, name)), "")


def _fits(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except (re.error, RecursionError, OverflowError, FutureWarning):
        return False
