"""Plans for recorded machines, and for reports of every shape."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehost.model.server import OsType, Report
from rehost.stages.convert import Options, Plan, plan
from rehost.stages.discover import discover
from rehost.system.recording import RecordedHost
from tests.unit.check.any_report import REPORTS

MACHINES = Path(__file__).parents[2] / "machines"
MACS = st.sampled_from(["52:54:00:00:00:01", "52-54-00-00-00-02", "", "nonsense"])
OPTIONS = st.builds(
    Options,
    macs=st.dictionaries(st.sampled_from(["", "eth0", "GRUB"]), MACS),
    dhcp=st.booleans(),
    hostname=st.none() | st.sampled_from(["db2", "GRUB"]),
    new_identity=st.booleans(),
)


def plan_of(name: str, options: Options = Options()) -> Plan:  # noqa: B008 - frozen
    return plan(discover(RecordedHost(MACHINES / name), agent_version="1"), options)


@pytest.mark.parametrize(
    ("name", "cards"),
    [
        ("bios-mbr-ext4", {"ens2": "52:54:00:00:01:01"}),
        ("btrfs-snapshots", {"ens2": "52:54:00:00:03:01"}),
        ("lvm-thin-bond", {"ens2": "52:54:00:00:09:01", "ens3": "52:54:00:00:09:02"}),
        ("nvme-cloud", {"enp0s1": "0a:00:07:12:34:56"}),
        ("raid1-lvm", {"ens2": "52:54:00:00:04:01"}),
    ],
)
def test_systems_with_virtio_keep_all_but_why_their_cards_have_their_names(name, cards):
    made = plan_of(name)
    assert made.network
    assert (made.network.names, made.network.macs, made.network.dhcp) == (cards, {}, False)
    assert (made.devices, made.virt_v2v, made.refused) == ((), False, "")


def test_initramfs_of_another_hypervisor_is_made_again():
    assert plan_of("centos7").virt_v2v


def test_encrypted_root_starts_as_it_is():
    assert plan_of("luks-root").is_empty
    assert plan_of("luks-root", Options(new_identity=True)).refused


def test_subvolume_that_ran_is_the_one_to_change():
    root = plan_of("btrfs-snapshots").root
    assert root
    assert root.subvolume == "@"


@given(REPORTS, OPTIONS)
def test_any_report_has_a_plan_with_reasons(report: Report, options: Options):
    made = plan(report, options)
    assert made.reasons
    assert made.is_empty or made.refused or made.virt_v2v or _edits(made)
    assert not (made.is_empty and (made.refused or made.virt_v2v))
    if options.new_identity:
        assert made.new_identity or made.refused
    if options.hostname not in (None, report.hostname) and report.os_type is OsType.LINUX:
        assert made.hostname == options.hostname or made.refused


def _edits(made: Plan) -> bool:
    return bool(made.network or made.devices or made.hostname or made.new_identity)
