"""The operating system's name and version, in the API's form: UBUNTU_22_4_64BIT.

To add a distribution: a line in DISTRIBUTIONS. One that is not there gets its own name.
"""

import re
import shlex
from dataclasses import dataclass

from rehost.stages.discover.survey import Survey

NARROW = re.compile(r"i\d86|armv\d.*|ppc|mips|s390")


@dataclass(frozen=True, slots=True)
class Distribution:
    """`parts` are the numbers of the version that tell releases apart.

    os-release of some names the major version only: then `release_file` has the minor one.
    """

    name: str
    parts: int
    release_file: str = ""


# By ID of os-release(5).
DISTRIBUTIONS = {
    "almalinux": Distribution("ALMALINUX", 2),
    "alinux": Distribution("ALIYUN", 1),
    "amzn": Distribution("AMAZON", 1),
    "anolis": Distribution("ANOLIS", 2),
    "centos": Distribution("CENTOS", 2, "/etc/centos-release"),
    "debian": Distribution("DEBIAN", 1),
    "euleros": Distribution("EULEROS", 2),
    "fedora": Distribution("FEDORA", 1),
    "hce": Distribution("HCE", 2),
    "kylin": Distribution("KYLIN", 1),
    "ol": Distribution("ORACLE", 2),
    "openEuler": Distribution("OPENEULER", 2),
    "opensuse": Distribution("OPENSUSE", 2),
    "opensuse-leap": Distribution("OPENSUSE", 2),
    "redhat": Distribution("REDHAT", 2),
    "rhel": Distribution("REDHAT", 2),
    "rocky": Distribution("ROCKY", 2),
    "sles": Distribution("SUSE", 2),
    "tencentos": Distribution("TENCENTOS", 2),
    "ubuntu": Distribution("UBUNTU", 2),
    "uos": Distribution("UOS", 1),
}


def read_os_release(survey: Survey) -> dict[str, str]:
    """Raises HostError if the machine has none. Format: os-release(5)."""
    text = survey.text("/etc/os-release", "") or survey.text("/usr/lib/os-release")
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): _unquoted(value) for key, _, value in pairs if not key.startswith("#")}


def os_version(survey: Survey, release: dict[str, str], architecture: str) -> str:
    """The API's form of what os-release and, for some, a release file say."""
    key = release.get("ID", "linux")
    known = DISTRIBUTIONS.get(key) or Distribution(re.sub(r"\W", "_", key).upper(), 2)
    file = _minor_release(survey, known)
    version = re.search(r"\d+(\.\d+)*", file) or re.search(
        r"\d+(\.\d+)*", release.get("VERSION_ID", "")
    )
    # 22.04 is written 22_4.
    numbers = [str(int(n)) for n in version[0].split(".")][: known.parts] if version else []
    return "_".join((known.name, *numbers, "32BIT" if NARROW.fullmatch(architecture) else "64BIT"))


def _unquoted(value: str) -> str:
    try:
        return "".join(shlex.split(value))
    except ValueError:
        return value.strip("\"'")


def _minor_release(survey: Survey, known: Distribution) -> str:
    if not known.release_file:
        return ""
    return survey.attempt("os_version", lambda: survey.text(known.release_file, "")) or ""
