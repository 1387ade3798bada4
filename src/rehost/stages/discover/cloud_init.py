"""Cloud-init, which describes the network of what it takes for a new server."""

import re
from collections.abc import Iterator

from rehost.stages.discover.survey import Survey

CONFIGURATION = "/etc/cloud/cloud.cfg"
FOLDER = "/etc/cloud/cloud.cfg.d"
SWITCHED_OFF = "/etc/cloud/cloud-init.disabled"
PROGRAMS = ("/usr/bin/cloud-init", "/usr/local/bin/cloud-init")
# What a file says of the network, and words that begin another part, without anything secret.
NETWORK = r"^(network\s*:|\w+\s*:\s*$|\s+config\s*:)"
DISABLED = re.compile(r"""\bconfig["']?\s*:\s*["']?disabled\b""")


def has_cloud_init(survey: Survey) -> bool:
    """Whether it is installed, and nobody keeps it from the network. Raises HostError.

    Its configuration may be left over from a package that was removed.
    """
    is_there = survey.exists(CONFIGURATION) and any(map(survey.exists, PROGRAMS))
    return is_there and not survey.exists(SWITCHED_OFF) and not _is_disabled(survey)


def _is_disabled(survey: Survey) -> bool:
    """The last file with a description counts, and it alone."""
    said = False
    for path in (CONFIGURATION, *_further(survey)):
        described = tuple(_of_network(survey.grep(path, NETWORK)))
        if described:
            said = any(map(DISABLED.search, described))
    return said


def _further(survey: Survey) -> Iterator[str]:
    names = survey.entries(FOLDER)
    yield from (f"{FOLDER}/{name}" for name in sorted(names) if name.endswith(".cfg"))


def _of_network(lines: tuple[str, ...]) -> Iterator[str]:
    inside = False
    for line in lines:
        inside = line.startswith("network") if line[:1].strip() else inside
        if inside:
            yield line
