"""Names that go with a machine's hardware: of network cards, and of block devices in files."""

import shlex
from pathlib import Path

import pytest

from rehost.model.server import Card, DeviceName, NamedBy, Root
from rehost.stages.discover import discover, udev
from rehost.stages.discover.cards import BY_ADDRESS
from rehost.stages.discover.device_names import PLACES
from rehost.system import transcript
from rehost.system.recording import FILE, RecordedHost

MACHINES = Path(__file__).parents[1] / "machines"
ROOT_UUID = "0a000001-0000-4000-8000-000000000001"
SWAP_UUID = "0a000001-0000-4000-8000-000000000005"
NET = "/sys/class/net"
MAC = "52:54:00:00:01:01"


def ask(*words: str) -> str:
    return shlex.join(words)


def lines_of(file: str, *lines: str) -> dict[str, str]:
    pattern = next(pattern for path, pattern, _ in PLACES if path == file)
    return {ask("grep", file, pattern): transcript.write_lines(lines)}


@pytest.fixture
def facts_of(tmp_path):
    """The facts of a recorded machine that gives other answers."""

    def discover_with(answers: dict[str, str], machine: str = "bios-mbr-ext4"):
        recording = transcript.load((MACHINES / machine / FILE).read_text())
        changed = {**recording, **{question: [answer] for question, answer in answers.items()}}
        (tmp_path / FILE).write_text(transcript.dump(changed))
        facts = discover(RecordedHost(tmp_path), agent_version="1").facts
        assert facts
        return facts

    return discover_with


@pytest.fixture
def card_of(facts_of):
    """The only card, called `name`, of a machine that gives these answers about it."""

    def discover_with(name: str, *properties: str, **answers: str) -> NamedBy | None:
        about = {
            ask("entries", NET): transcript.write_lines(["lo", name]),
            ask("entries", f"{NET}/{name}"): transcript.write_lines(["address", "device"]),
            ask("read", f"{NET}/{name}/address"): transcript.write_text(f"{MAC}\n"),
            ask("read", f"{NET}/{name}/ifindex"): transcript.write_text("2\n"),
            ask("grep", "/run/udev/data/n2", "^E:ID_NET_"): transcript.write_lines(properties),
        }
        asked = {
            "cmdline": ask("read", "/proc/cmdline"),
            "renamed": ask("read", f"{NET}/{name}/name_assign_type"),
            "link": ask("grep", "/etc/systemd/network/10-lan.link", BY_ADDRESS),
        }
        about |= {asked[key]: transcript.write_text(answer) for key, answer in answers.items()}
        cards: tuple[Card, ...] = facts_of(about).cards
        assert len(cards) == 1
        card = cards[0]
        assert card == Card(name=name, mac=MAC, named_by=card.named_by)
        return card.named_by

    return discover_with


def test_name_by_slot_path_or_port(card_of):
    assert card_of("ens3", "E:ID_NET_NAME_SLOT=ens3") is NamedBy.PLACE
    assert card_of("lan3", "E:ID_NET_NAME_PATH=lan3") is NamedBy.PLACE
    assert card_of("enp0s31f6") is NamedBy.PLACE
    assert card_of("em1") is NamedBy.PLACE
    assert card_of("p2p1") is NamedBy.PLACE


def test_name_by_address(card_of):
    assert card_of("enx525400000101", "E:ID_NET_NAME_MAC=enx525400000101") is NamedBy.ADDRESS
    assert card_of("enx525400000101") is NamedBy.ADDRESS


def test_name_that_a_link_file_ties_to_the_address(card_of):
    link = "E:ID_NET_LINK_FILE=/etc/systemd/network/10-lan.link"
    assert card_of("ens3", link, "E:ID_NET_NAME_SLOT=ens3", link="MACAddress=x\n") is (
        NamedBy.ADDRESS
    )
    assert card_of("ens3", link, "E:ID_NET_NAME_SLOT=ens3", link="") is NamedBy.PLACE


def test_kernels_name_counts_only_where_no_other_is_given(card_of):
    assert card_of("eth0", cmdline="quiet net.ifnames=0\n") is NamedBy.KERNEL
    assert card_of("eth0", cmdline="quiet\n") is None
    assert card_of("eth0", cmdline="net.ifnames=0\n", renamed="4\n") is None


def test_name_that_nothing_explains(card_of):
    assert card_of("lan0") is None


def test_passing_names_get_the_uuid_of_what_they_name(facts_of):
    fstab = lines_of("/etc/fstab", "/dev/vda1 / ext4 defaults 0 1", "/dev/vda5 none swap sw 0 0")
    crypttab = lines_of("/etc/crypttab", "data /dev/vda1 none luks")
    kernel = lines_of("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro resume=/dev/vda5")
    assert facts_of({**fstab, **crypttab, **kernel}).device_names == tuple(
        DeviceName(file=file, name=f"/dev/vda{n}", lasting=f"UUID={uuid}")
        for file, n, uuid in (
            ("/etc/fstab", 1, ROOT_UUID),
            ("/etc/fstab", 5, SWAP_UUID),
            ("/etc/crypttab", 1, ROOT_UUID),
            ("/proc/cmdline", 1, ROOT_UUID),
            ("/proc/cmdline", 5, SWAP_UUID),
        )
    )


@pytest.mark.parametrize(
    "name",
    [
        "/dev/mapper/vg-root",
        "/dev/vg/root",
        "/dev/md0",
        "/dev/fd0",
        "/dev/disk/by-uuid/1",
        "/dev/disk/by-id/dm-name-vg-root",
        "/dev/disk/by-partlabel/x",
    ],
)
def test_names_that_last_are_not_reported(facts_of, name):
    assert facts_of(lines_of("/etc/fstab", f"{name} / ext4 defaults 0 1")).device_names == ()


def test_link_by_the_hardware_is_followed(facts_of):
    link = "/dev/disk/by-id/ata-DISK_1-part5"
    answers = lines_of("/etc/fstab", f"{link} none swap sw 0 0")
    answers[ask("resolve", link)] = transcript.write_lines(["/dev/vda5"])
    assert facts_of(answers).device_names == (
        DeviceName(file="/etc/fstab", name=link, lasting=f"UUID={SWAP_UUID}"),
    )


def test_device_that_is_gone_has_no_lasting_name(facts_of):
    assert facts_of(lines_of("/etc/fstab", "/dev/sdz1 /old ext4 noauto 0 0")).device_names == (
        DeviceName(file="/etc/fstab", name="/dev/sdz1"),
    )


def test_name_that_two_filesystems_share_does_not_last(facts_of):
    answers = lines_of("/etc/fstab", "/dev/vda1 / ext4 defaults 0 1")
    twin = [f"E:ID_FS_UUID={ROOT_UUID}", "E:ID_FS_TYPE=ext4"]
    answers[ask("grep", "/run/udev/data/b254:5", udev.WANTED)] = transcript.write_lines(twin)
    found = facts_of(answers).device_names
    assert found == (DeviceName(file="/etc/fstab", name="/dev/vda1"),)


def test_root_of_each_kind(facts_of):
    assert facts_of({}).root == Root(uuid=ROOT_UUID)
    assert facts_of({}, "btrfs-snapshots").root.subvolume == "@"
    assert facts_of({}, "luks-root").root.encrypted
    assert not facts_of({}, "luks").root.encrypted
