import re
from collections.abc import Iterator
from typing import NamedTuple

from rehost.model.check import Result
from rehost.model.server import OsType, Report
from rehost.stages.check.rule import Found, Problem, check

# First and last release of each family that replication and conversion are made for. Linux: what
# virt-v2v converts, from the first kernel with virtio (2.6.32) on; Windows: what virtio-win has
# drivers for.
LINUX = {
    "ALIYUN": (2, 4),
    "ALMALINUX": (8, 10),
    "AMAZON": (1, 2023),
    "ANOLIS": (7, 23),
    "CENTOS": (6, 10),
    "CENTOS_STREAM": (8, 10),
    "DEBIAN": (7, 14),
    "EULEROS": (2, 2),
    "FEDORA": (20, 45),
    "HCE": (1, 2),
    "KYLIN": (7, 11),
    "OPENEULER": (20, 26),
    "OPENSUSE": (13, 16),
    "ORACLE": (6, 10),
    "REDHAT": (6, 10),
    "ROCKY": (8, 10),
    "SUSE": (11, 16),
    "TENCENTOS": (2, 4),
    "UBUNTU": (12, 28),
    "UOS": (20, 25),
}
WINDOWS = frozenset(
    {"7", "8", "8_1", "10", "11", "2008", "2008_R2", "2012", "2012_R2"}
    | {"2016", "2019", "2022", "2025"}
)

NOT_SUPPORTED = Problem("SMS.2206", Result.ERROR)
NOT_LISTED = Problem("REHOST.5011", Result.WARN)


class Version(NamedTuple):
    family: str  # DEBIAN
    release: str  # 12, 7_9, 2012_R2
    bits: str  # 64


@check(
    "OS_VERSION",
    "a 64-bit release of the list below; block-level replication of Linux does not depend on it",
    NOT_SUPPORTED,
    NOT_LISTED,
    of_start=True,
)
def judge(report: Report) -> Iterator[Found]:
    version = parse(report.os_version)
    if report.os_type is OsType.WINDOWS:
        if not _is_listed_windows(version):
            yield NOT_SUPPORTED(report.os_version)
    elif not _is_listed_linux(version):
        yield NOT_LISTED(report.os_version)


def parse(text: str) -> Version | None:
    """The parts of a version in the API's form: DEBIAN_12_64BIT, WINDOWS2016_64BIT."""
    match = re.fullmatch(r"([A-Z_]+?)_?V?(\d[\w.]*?)?(?:_(32|64)_?BIT)?", text.strip().upper())
    return Version(match[1], match[2] or "", match[3] or "") if match else None


def _is_listed_windows(version: Version | None) -> bool:
    if version is None or version.bits != "64":
        return False
    release = re.sub(r"_?(STANDARD|DATACENTER|ENTERPRISE)$", "", version.release)
    release = re.sub(r"_?R2$", "_R2", release.replace(".", "_"))
    return version.family in ("WINDOWS", "WINDOWS_SERVER") and release in WINDOWS


def _is_listed_linux(version: Version | None) -> bool:
    if version is None or version.bits != "64" or version.family not in LINUX:
        return False
    major = re.match(r"\d{1,4}", version.release)
    first, last = LINUX[version.family]
    return major is not None and first <= int(major[0]) <= last
