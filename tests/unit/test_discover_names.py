"""Names that go with a machine's hardware: of network cards, and of block devices in files."""

import re
import shlex
from pathlib import Path

import pytest

from rehost.model.server import Card, DeviceName, NamedBy, Root
from rehost.stages.discover import discover, udev
from rehost.stages.discover.blocks import Block, Blocks
from rehost.stages.discover.cards import LINK
from rehost.stages.discover.cloud_init import (
    CONFIGURATION,
    FOLDER,
    NETWORK,
    PROGRAMS,
    SWITCHED_OFF,
)
from rehost.stages.discover.device_names import PLACES, WHAT, find_device_names
from rehost.stages.discover.fillings import Filling, Layout
from rehost.stages.discover.lvm_limits import DEVICES, FILTER, hides
from rehost.stages.discover.mounts import Mounts
from rehost.stages.discover.survey import Survey
from rehost.system import transcript
from rehost.system.recording import FILE, RecordedHost

MACHINES = Path(__file__).parents[1] / "machines"
ROOT_UUID = "0a000001-0000-4000-8000-000000000001"
SWAP_UUID = "0a000001-0000-4000-8000-000000000005"
NET = "/sys/class/net"
MAC = "52:54:00:00:01:01"
BY_MAC = f"MACAddress={MAC}\n"


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
            "link": ask("grep", "/etc/systemd/network/10-lan.link", LINK),
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
    told: tuple[str, ...] = ("E:ID_NET_LINK_FILE=/etc/systemd/network/10-lan.link",)
    told += ("E:ID_NET_NAME_MAC=enx525400000101", "E:ID_NET_NAME_PATH=enp0s20u1")
    for policy in ("mac", "keep kernel mac slot", "slot\nNamePolicy=mac"):
        link = f"[Match]\nOriginalName=*\n[Link]\nNamePolicy={policy}\n"
        assert card_of("enx525400000101", *told, link=link) is NamedBy.ADDRESS
    for match in ("Path=*\n", "Type=ether\n", BY_MAC, ""):
        link = f"[Match]\n{match}[Link]\nNamePolicy=mac\n"
        assert card_of("enx525400000101", *told, link=link) is NamedBy.ADDRESS


def test_name_by_address_of_what_is_on_usb_is_another_one_elsewhere(card_of):
    told: tuple[str, ...] = ("E:ID_NET_LINK_FILE=/etc/systemd/network/10-lan.link",)
    told += ("E:ID_NET_NAME_MAC=enx525400000101",)
    policy = "[Match]\nOriginalName=*\n[Link]\nNamePolicy=keep kernel database onboard slot mac\n"
    assert card_of("enx525400000101", *told, link=policy) is None
    for match in ("Path=*-usb-*", "Driver=vmxnet3", "OriginalName=*\nProperty=ID_USB_TYPE=ether"):
        link = f"[Match]\n{match}\n[Link]\nNamePolicy=mac\n"
        assert card_of("enx525400000101", *told, link=link) is None
    assert card_of("enx525400000101") is None


def test_name_that_a_link_file_ties_to_the_address(card_of):
    told = ("E:ID_NET_LINK_FILE=/etc/systemd/network/10-lan.link", "E:ID_NET_NAME_SLOT=ens3")
    for match in (BY_MAC, f"Permanent{BY_MAC}", f"{BY_MAC}Path=*\n", f"{BY_MAC}Type=ether\n"):
        link = f"[Match]\n{match}[Link]\nNamePolicy=\nName=ens3\n"
        assert card_of("ens3", *told, link=link) is NamedBy.ADDRESS


@pytest.mark.parametrize(
    "link",
    [
        "",
        f"[Match]\n{BY_MAC}[Link]\nWakeOnLan=magic\n",
        f"[Match]\n{BY_MAC}[Link]\nNamePolicy=kernel slot path\nName=ens3\n",
        f"[Match]\n{BY_MAC}[Link]\nName=other\n",
        f"[Match]\n{BY_MAC}Path=pci-0000:0b:00.0\n[Link]\nName=ens3\n",
        f"[Match]\n{BY_MAC}Driver=vmxnet3\n[Link]\nName=ens3\n",
        f"[Match]\n{BY_MAC}Virtualization=vmware\n[Link]\nName=ens3\n",
        "[Match]\nMACAddress=52:54:00:00:01:01 52:54:00:00:01:02\n[Link]\nName=ens3\n",
        "[Match]\nOriginalName=*\n[Link]\nName=ens3\n",
    ],
)
def test_link_file_for_the_address_that_need_not_give_the_name_elsewhere(card_of, link):
    told = ("E:ID_NET_LINK_FILE=/etc/systemd/network/10-lan.link", "E:ID_NET_NAME_SLOT=ens3")
    assert card_of("ens3", *told, link=link) is NamedBy.PLACE


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
        "/dev/null",
        "/dev/cdrom",
        "/dev/loop0",
        "/dev/zram0",
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


AZURE = "/dev/disk/azure/scsi1/lun0-part1"


@pytest.mark.parametrize("name", [AZURE, "/dev/oracleoci/oraclevda1", "/dev/fioa1"])
def test_any_other_name_of_a_disk_passes(facts_of, name):
    answers = lines_of("/etc/fstab", f"{name} /data xfs nofail 0 0")
    answers[ask("resolve", name)] = transcript.write_lines(["/dev/vda1"])
    assert facts_of(answers).device_names == (
        DeviceName(file="/etc/fstab", name=name, lasting=f"UUID={ROOT_UUID}"),
    )


def block(name: str, kind: str, *, parent: str = "", below: tuple[str, ...] = ()) -> Block:
    path = f"/dev/{name}" if kind == "disk" or parent else f"/dev/mapper/{name}"
    return Block(name=name, path=path, number=name, size=1, kind=kind, parent=parent, slaves=below)


def filling(uuid: str, file_system: str = "ext4") -> Filling:
    return Filling(
        file_system=file_system,
        uuid=uuid,
        mount_point="",
        used=None,
        block_size=None,
        blocks=None,
        inode_size=None,
        inodes=None,
    )


@pytest.fixture
def names_of(tmp_path):
    """Of a machine with these answers, block devices, and what is on them by their names."""

    def find(answers: dict[str, str], blocks: list[Block], uuids: dict[str, str]):
        known = {question: [answer] for question, answer in answers.items()}
        (tmp_path / FILE).write_text(transcript.dump(known))
        layout = Layout(
            blocks=Blocks({b.name: b for b in blocks}),
            mounts=Mounts({}, {}, (), frozenset()),
            records={},
            physical_volumes={},
        )
        fillings = {name: filling(uuid) for name, uuid in uuids.items()}
        return find_device_names(Survey(RecordedHost(tmp_path)), layout, fillings)

    return find


def test_paths_to_a_disk_do_not_share_its_uuid(names_of):
    blocks = [
        block("sda", "disk"),
        block("sda1", "part", parent="sda"),
        block("sdb", "disk"),
        block("sdb1", "part", parent="sdb"),
        block("mpatha", "mpath", below=("sda", "sdb")),
        block("mpatha1", "part", below=("mpatha",)),
    ]
    name = "/dev/mapper/mpatha1"
    fstab = lines_of("/etc/fstab", f"{name} /srv xfs defaults 0 2")
    uuids = {"sda1": "1", "sdb1": "1", "mpatha1": "1"}
    assert names_of(fstab, blocks, uuids) == (
        DeviceName(file="/etc/fstab", name=name, lasting="UUID=1"),
    )
    uuids["other"] = "1"
    assert names_of(fstab, blocks, uuids) == (DeviceName(file="/etc/fstab", name=name),)


@pytest.mark.parametrize(("kind", "passes"), [("lvm", False), ("crypt", False), ("dm", True)])
def test_names_that_somebody_chose_last_by_what_they_name(names_of, kind, passes):
    fstab = lines_of("/etc/fstab", "/dev/mapper/x /srv xfs defaults 0 2")
    assert bool(names_of(fstab, [block("x", kind)], {"x": "1"})) is passes


def test_partition_with_nothing_that_lasts_on_it_is_named_itself(names_of):
    crypttab = lines_of("/etc/crypttab", "swap /dev/sda2 /dev/urandom swap")
    blocks = [block("sda", "disk"), *(block(f"sda{n}", "part", parent="sda") for n in (1, 2))]
    asked = ask("grep", "/run/udev/data/bsda2", "^E:ID_PART_ENTRY_UUID=")
    answers = {**crypttab, asked: transcript.write_lines(["E:ID_PART_ENTRY_UUID=ab-02"])}
    assert names_of(answers, blocks, {}) == (
        DeviceName(file="/etc/crypttab", name="/dev/sda2", lasting="PARTUUID=ab-02"),
    )
    twin = {asked.replace("bsda2", "bsda1"): answers[asked]}
    assert names_of(answers | twin, blocks, {})[0].lasting == ""


def test_devices_in_options_and_in_units(names_of):
    options = next(pattern for _, pattern, device in PLACES if "logdev" in device.pattern)
    fstab = {
        ask("grep", "/etc/fstab", options): transcript.write_lines(
            ["UUID=1 /d xfs noatime,logdev=/dev/sdb1,x=/dev/sdb2 0 0"]
        )
    }
    units = {
        ask("entries", "/etc/systemd/system"): transcript.write_lines(
            ["a.mount", "b.service", "dev-sdb1.swap"]
        ),
        **{
            ask("grep", f"/etc/systemd/system/{unit}", WHAT): transcript.write_lines(
                ["What=/dev/sdb1"]
            )
            for unit in ("a.mount", "dev-sdb1.swap")
        },
    }
    blocks = [block("sdb", "disk"), block("sdb1", "part", parent="sdb")]
    assert [(n.file, n.name) for n in names_of(fstab | units, blocks, {"sdb1": "7"})] == [
        ("/etc/fstab", "/dev/sdb1"),
        ("/etc/systemd/system/a.mount", "/dev/sdb1"),
    ]


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ('filter = [ "a|^/dev/sda2$|", "r|.*|" ]', True),
        ('global_filter=["a|/dev/mapper/mpath.*|","r/.*/"]', True),
        ('filter = [ "r|/dev/cdrom|" ]', False),
        ('filter = [ "a|.*|" ]', False),
        ('filter = [ "a|^/dev/vd|", "r|.*|" ]', False),
        ('filter = [ "a|lvm-pv-uuid|", "r|.*|" ]', False),
        ('filter = [ "a|(|", "r|.*|" ]', True),
    ],
)
def test_filters_that_hide_virtio_disks_from_lvm(line, hidden):
    assert hides(line) is hidden


def test_what_limits_lvm_is_told_where_it_is_used(facts_of):
    answers = {
        ask("resolve", DEVICES): transcript.write_lines([DEVICES]),
        ask("grep", "/etc/lvm/lvm.conf", FILTER): transcript.write_lines(
            ['filter = ["a|/dev/sda|", "r|.*|"]']
        ),
    }
    assert facts_of(answers, "lvm-thin-bond").lvm_limits == (DEVICES, "/etc/lvm/lvm.conf")
    assert facts_of({}, "lvm-thin-bond").lvm_limits == ()
    assert facts_of(answers).lvm_limits == ()


def there(*paths: str) -> dict[str, str]:
    return {ask("resolve", path): transcript.write_lines([path]) for path in paths}


@pytest.mark.parametrize("program", PROGRAMS)
def test_cloud_init_is_told_unless_it_is_switched_off(facts_of, program):
    assert facts_of({}).cloud_init is False
    assert facts_of(there(CONFIGURATION, program)).cloud_init is True
    assert facts_of(there(CONFIGURATION, program, SWITCHED_OFF)).cloud_init is False


def test_cloud_init_that_was_removed_but_for_its_configuration_is_none(facts_of):
    assert facts_of(there(CONFIGURATION)).cloud_init is False


OFF = ("network: {config: disabled}",)


@pytest.mark.parametrize(
    ("main", "first", "last", "is_told"),
    [
        (OFF, (), (), False),
        ((), OFF, (), False),
        ((), (), ("network:", "  config: disabled"), False),
        ((), (), ("network: {'config': 'disabled'}",), False),
        (OFF, (), ("network:", "  config:"), True),
        ((), OFF, ("network: {version: 2}",), True),
        (("users:", "  config: disabled"), (), (), True),
        (("network:", "cloud_init_modules:", "  config: disabled"), (), (), True),
    ],
)
def test_cloud_init_that_leaves_the_network_alone_already(facts_of, main, first, last, is_told):
    answers = there(CONFIGURATION, *PROGRAMS)
    answers[ask("entries", FOLDER)] = transcript.write_lines(["05.cfg", "99.cfg", "README"])
    files = {CONFIGURATION: main, f"{FOLDER}/05.cfg": first, f"{FOLDER}/99.cfg": last}
    for path, lines in files.items():
        answers[ask("grep", path, NETWORK)] = transcript.write_lines(lines)
    assert facts_of(answers).cloud_init is is_told


def test_cloud_init_files_are_asked_for_nothing_secret():
    told = ("network:", "network: {config: disabled}", "  config: disabled", "users:")
    secret = ("password: word", "  - name: x", "chpasswd: {list: [a]}", "# network:")
    assert [line for line in (*told, *secret) if re.search(NETWORK, line)] == list(told)
