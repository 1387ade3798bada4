import pytest

from rehost.model.server import Card, DeviceName, Hardware, NamedBy, Network, Root
from rehost.stages.convert import Options, cards, plan
from rehost.stages.convert.network import Wish
from tests.unit.check.reports import linux, windows

MAC, OTHER = "52:54:00:12:34:56", "52:54:00:00:00:99"
KEPT = Card(name="eth0", mac=MAC, named_by=NamedBy.KERNEL)
SLOT = Card(name="ens3", mac=MAC, named_by=NamedBy.PLACE)
NONE = Options()


def test_nothing_is_done_to_a_system_that_starts_as_it_is():
    made = plan(linux(cards=(KEPT,), device_names=()), NONE)
    assert made.is_empty
    assert made.reasons == ("the initramfs has the drivers for virtio disks: it is not changed",)


def test_name_by_slot_is_tied_to_the_address_of_the_target():
    assert plan(linux(cards=(SLOT,)), NONE).network == Wish(names={"ens3": MAC})
    made = plan(linux(cards=(SLOT,)), Options(macs={"ens3": OTHER.upper()}))
    assert made.network == Wish(names={"ens3": MAC}, macs={MAC: OTHER})


def test_name_by_address_is_tied_only_to_another_address():
    card = Card(name="enx525400123456", mac=MAC, named_by=NamedBy.ADDRESS)
    assert plan(linux(cards=(card,)), NONE).network is None
    made = plan(linux(cards=(card,)), Options(macs={card.name: OTHER}))
    assert made.network == Wish(names={card.name: MAC}, macs={MAC: OTHER})


def test_names_that_the_kernel_counts_are_tied_where_there_are_two():
    second = Card(name="eth1", mac=OTHER, named_by=NamedBy.KERNEL)
    made = plan(linux(cards=(KEPT, second)), NONE)
    assert made.network == Wish(names={"eth0": MAC, "eth1": OTHER})


def test_cards_that_share_an_address_are_left_and_this_is_said():
    twin = Card(name="ens4", mac=MAC, named_by=NamedBy.PLACE)
    made = plan(linux(cards=(SLOT, twin)), NONE)
    assert made.network is None
    assert "interface ens4 has no MAC address of its own to tie its name to" in made.reasons


def test_bonds_and_vlans_are_not_cards():
    networks = tuple(Network(name=n, mac=MAC) for n in ("bond0", "bond0.7", "br0"))
    card = Network(name="ens3", mac=OTHER)
    made = plan(linux(networks=(*networks, card)), NONE)
    assert made.network == Wish(names={"ens3": OTHER})


def test_cards_are_in_the_order_of_their_names():
    found = tuple(Card(name=name, mac=MAC.upper()) for name in ("eth10", "ens3", "eth2", "lan"))
    odd = Card(name="ib0", mac="80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:01")
    assert cards(linux(cards=(*found, odd))) == tuple(
        Card(name=name, mac=MAC) for name in ("ens3", "eth2", "eth10", "lan")
    )


def test_dhcp_is_wanted_of_all_cards_also_of_those_that_keep_their_names():
    assert plan(linux(cards=(KEPT,)), Options(dhcp=True)).network == Wish(
        names={"eth0": MAC}, dhcp=True
    )


def test_addresses_that_cannot_be_are_refused():
    assert "not a hardware address" in plan(linux(), Options(macs={"eth0": "x"})).refused


def test_device_without_a_lasting_name_is_left_and_this_is_said():
    named = DeviceName(file="/etc/fstab", name="/dev/sda1", lasting="UUID=1")
    unnamed = DeviceName(file="/etc/fstab", name="/dev/sdb")
    made = plan(linux(cards=(KEPT,), device_names=(named, unnamed)), NONE)
    assert made.devices == (named,)
    assert "it becomes UUID=1" in made.reasons[1]
    assert "it is left" in made.reasons[2]


def test_swap_unit_is_left_as_its_name_says_its_device_too():
    unit = "/etc/systemd/system/dev-sda2.swap"
    named = DeviceName(file=unit, name="/dev/sda2", lasting="UUID=2")
    assert plan(linux(cards=(KEPT,), device_names=(named,)), NONE).is_empty


@pytest.mark.parametrize(
    ("initramfs", "bus", "heavy"),
    [
        (("virtio_blk", "virtio_pci"), "sata", False),
        (("virtio-blk", "virtio-pci"), "sata", False),
        (("virtio_scsi", "virtio_pci"), "virtio", True),
        ((), "virtio", True),
        (None, "virtio", False),
        (None, "sata", True),
    ],
)
def test_virt_v2v_is_for_systems_that_would_not_find_their_disks(initramfs, bus, heavy):
    hardware = (Hardware(name="/dev/vda", bus=bus),)
    made = plan(linux(virtio_initramfs=initramfs, hardware=hardware), NONE)
    assert made.virt_v2v is heavy
    assert ("virt-v2v" in made.reasons[0]) is heavy


def test_loader_that_virt_v2v_does_not_know_is_refused_before_it_is_tried():
    made = plan(linux(virtio_initramfs=(), boot_loader="EXTLINUX"), NONE)
    assert "EXTLINUX" in made.refused
    assert not made.is_empty
    assert plan(linux(boot_loader="EXTLINUX", cards=()), NONE).is_empty


def test_windows_gets_drivers_and_nothing_of_ours():
    made = plan(windows(), NONE)
    assert (made.virt_v2v, made.network, made.refused) == (True, None, "")
    assert plan(windows(), Options(hostname="db2")).refused


def test_encrypted_root_is_left_unless_something_must_be_done():
    root = Root(encrypted=True)
    made = plan(linux(cards=(SLOT,), root=root), NONE)
    assert made.is_empty
    assert any(reason.startswith("not done: interface ens3") for reason in made.reasons)
    for must in (Options(new_identity=True), Options(dhcp=True), Options(hostname="db2")):
        assert "encrypted" in plan(linux(cards=(SLOT,), root=root), must).refused
    assert plan(linux(virtio_initramfs=(), root=root), NONE).refused


def test_own_host_name_is_no_change():
    report = linux(hostname="db1", cards=(KEPT,))
    assert plan(report, Options(hostname="db1")).is_empty
    assert plan(report, Options(hostname="db2")).hostname == "db2"


def test_cloud_init_is_kept_out_also_where_no_name_must_be_tied():
    by_address = Card(name="ens3", mac=MAC, named_by=NamedBy.ADDRESS)
    for card in (KEPT, by_address):
        made = plan(linux(cards=(card,), cloud_init=True), NONE)
        assert made.network == Wish(names={card.name: MAC})
        assert made.reasons[-1] == "cloud-init is kept from describing the network anew"
        assert made.is_precaution
        for absent in (False, None):
            assert plan(linux(cards=(card,), cloud_init=absent), NONE).is_empty
    twins = tuple(Card(name=name, mac=MAC, named_by=NamedBy.PLACE) for name in ("ens3", "ens4"))
    made = plan(linux(cards=twins, cloud_init=True), NONE)
    assert made.network == Wish(names={"ens3": MAC, "ens4": MAC})
    assert plan(linux(cards=(), cloud_init=True), NONE).is_empty


def test_keeping_cloud_init_out_is_no_precaution_where_more_must_be_done():
    assert not plan(linux(cards=(SLOT,), cloud_init=True), NONE).is_precaution
    for options in (Options(hostname="db2"), Options(new_identity=True), Options(dhcp=True)):
        assert not plan(linux(cards=(KEPT,), cloud_init=True), options).is_precaution
    heavy = linux(cards=(KEPT,), cloud_init=True, virtio_initramfs=())
    assert not plan(heavy, NONE).is_precaution
    assert not plan(linux(cards=(KEPT,), cloud_init=False), NONE).is_precaution


def test_lvm_s_devices_file_goes_and_a_filter_is_named():
    devices, filters = "/etc/lvm/devices/system.devices", "/etc/lvm/lvm.conf"
    made = plan(linux(cards=(KEPT,), lvm_limits=(devices, filters)), NONE)
    assert (made.lvm_limits, made.is_empty) == ((devices,), False)
    assert made.reasons[-2].startswith(devices)
    assert "filter" in made.reasons[-1]
    assert plan(linux(cards=(KEPT,), lvm_limits=(filters,)), NONE).is_empty


def test_addresses_that_no_card_has_are_refused():
    for mac in ("01:00:5e:00:00:01", "00:00:00:00:00:00"):
        assert "no card can have" in plan(linux(cards=(SLOT,)), Options(macs={"ens3": mac})).refused
