from pathlib import Path

from rehost.agent.report import picture, size
from rehost.model.server import Facts, Missing, OsType, Report
from rehost.stages.discover import discover
from rehost.system.recording import RecordedHost

MACHINE = Path(__file__).parents[1] / "machines" / "centos7"


def test_sizes_are_in_units_a_person_reads():
    assert [size(n) for n in (None, 0, 1023, 40 << 30)] == ["?", "0 B", "1023 B", "40 GiB"]


def test_the_picture_shows_disks_volumes_and_what_is_not_migrated():
    lines = list(picture(discover(RecordedHost(MACHINE), agent_version="")))
    assert "/dev/sda  40 GiB, 39.14 GiB used, MBR" in lines
    assert any("/dev/mapper/data-pgsql" in line and "/var/lib/pgsql" in line for line in lines)
    assert "/home  nfs4 from filer01.example.net:/export/home: not migrated" in lines


def test_the_picture_ends_with_what_is_not_known():
    report = Report(
        name="a",
        os_type=OsType.LINUX,
        os_version="DEBIAN_12_64BIT",
        networks=(),
        agent_version="",
        facts=Facts(missing=(Missing(fact="memory", reason="no"),)),
    )
    assert list(picture(report))[-2:] == ["not known:", "  memory: no"]
