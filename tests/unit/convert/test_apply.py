from rehost.model.server import DeviceName
from rehost.stages.convert import Plan
from rehost.stages.convert.apply import apply
from rehost.stages.convert.network import Wish
from tests.unit.convert.memory_guest import MemoryGuest

MAC = "52:54:00:12:34:56"
NAMED = DeviceName(file="/etc/fstab", name="/dev/sda1", lasting="UUID=1")
FILES = {
    "/etc/fstab": "/dev/sda1 / ext4 defaults 0 1\n",
    "/etc/hostname": "db1\n",
    "/etc/hosts": "127.0.1.1 db1\n",
    "/etc/machine-id": "a" * 32,
    "/var/lib/dbus/machine-id": "a" * 32,
    "/boot/grub/grub.cfg": "linux /vmlinuz root=/dev/sda1\n",
    "/usr/lib/systemd/libsystemd-shared-252.so": "",
    "/etc/ssh/ssh_host_ed25519_key": "private",
    "/etc/ssh/ssh_host_ed25519_key.pub": "public",
    "/etc/ssh/ssh_host_dsa_key": "private",
}


def test_devices_are_named_by_what_is_on_them_in_each_file():
    guest = MemoryGuest(FILES)
    said = list(apply(guest, Plan(reasons=(), devices=(NAMED,))))
    assert guest.text("/etc/fstab") == "UUID=1 / ext4 defaults 0 1\n"
    assert guest.text("/boot/grub/grub.cfg") == "linux /vmlinuz root=UUID=1\n"
    assert guest.written == ["/etc/fstab", "/boot/grub/grub.cfg"]
    assert [sentence.partition(":")[0] for sentence in said] == guest.written


def test_name_of_a_card_is_tied_to_its_address():
    guest = MemoryGuest(FILES)
    (said,) = apply(guest, Plan(reasons=(), network=Wish(names={"ens3": MAC})))
    assert "Name=ens3\n" in guest.text("/etc/systemd/network/00-rehost-ens3.link")
    assert "ens3" in said


def test_clone_gets_a_name_keys_and_a_machine_id_of_its_own():
    guest = MemoryGuest(FILES)
    plan = Plan(reasons=(), old_hostname="db1", hostname="db2", new_identity=True)
    said = "\n".join(apply(guest, plan))
    assert guest.text("/etc/hostname") == "db2\n"
    assert guest.text("/etc/hosts") == "127.0.1.1 db2\n"
    assert guest.text("/etc/machine-id") == ""
    assert "/var/lib/dbus/machine-id" not in guest.files
    assert guest.text("/etc/ssh/ssh_host_ed25519_key.pub").endswith("root@db2\n")
    assert guest.modes["/etc/ssh/ssh_host_ed25519_key"] == 0o600
    assert "/etc/ssh/ssh_host_dsa_key" not in guest.files
    assert "PRIVATE" not in said
    assert guest.text("/etc/fstab") == FILES["/etc/fstab"]


def test_modules_are_named_for_the_initramfs_that_virt_v2v_makes():
    path = "/etc/initramfs-tools/modules"
    guest = MemoryGuest({path: "# Examples\nloop\nvirtio_blk\n"})
    plan = Plan(reasons=(), virt_v2v=True)
    (said,) = apply(guest, plan)
    assert guest.text(path).splitlines() == ["# Examples", "loop", "virtio_blk", "virtio_pci"]
    assert "virtio_pci" in said
    assert list(apply(guest, plan)) == []
    assert list(apply(MemoryGuest({}), plan)) == []


def test_done_again_it_changes_nothing_more():
    plan = Plan(
        reasons=(),
        devices=(NAMED,),
        network=Wish(names={"ens3": MAC}, macs={MAC: "52:54:00:00:00:01"}, dhcp=True),
        old_hostname="db1",
        hostname="db2",
    )
    guest = MemoryGuest(FILES | {"/etc/network/interfaces": "iface ens3 inet static\n"})
    list(apply(guest, plan))
    before = dict(guest.files)
    list(apply(guest, plan))
    assert guest.files == before


def test_bytes_that_are_no_text_come_back_as_they_were():
    guest = MemoryGuest({})
    guest.files["/etc/fstab"] = b"\xff\xfe\n/dev/sda1 /\xe9 ext4\r\n"
    list(apply(guest, Plan(reasons=(), devices=(NAMED,))))
    assert guest.files["/etc/fstab"] == b"\xff\xfe\nUUID=1 /\xe9 ext4\r\n"


TOLD = DeviceName(file="/proc/cmdline", name="/dev/sda2", lasting="UUID=2")


def test_what_the_kernel_is_told_by_no_file_that_is_known_is_said_aloud():
    plan = Plan(reasons=(), devices=(TOLD,))
    (said,) = apply(MemoryGuest({"/etc/fstab": "UUID=2 / ext4 defaults 0 1\n"}), plan)
    assert said.startswith("WARNING: the kernel was started with /dev/sda2")
    grub = "/boot/grub/grub.cfg"
    guest = MemoryGuest({grub: "linux /vmlinuz root=/dev/sda2 ro\n"})
    for again in (list(apply(guest, plan)), list(apply(guest, plan))):
        assert not any("WARNING" in sentence for sentence in again)


def test_grub_s_environment_without_room_is_said_aloud():
    path = "/boot/grub2/grubenv"
    full = f"# GRUB Environment Block\nkernelopts=root=/dev/sda2 {'x' * 2000}"[:1023] + "\n"
    lasting = DeviceName(file="/proc/cmdline", name="/dev/sda2", lasting=f"UUID={'1' * 36}")
    said = list(apply(MemoryGuest({path: full}), Plan(reasons=(), devices=(lasting,))))
    assert any(s.startswith(f"WARNING: {path} has no room for UUID=1") for s in said)


def test_lvm_sees_all_disks_again():
    path = "/etc/lvm/devices/system.devices"
    guest = MemoryGuest({path: "IDTYPE=sys_wwid IDNAME=naa.6\n"})
    plan = Plan(reasons=(), lvm_limits=(path,))
    assert not plan.is_empty
    assert len(list(apply(guest, plan))) == 1
    assert guest.files == {f"{path}.rehost": b"IDTYPE=sys_wwid IDNAME=naa.6\n"}
    assert guest.modes == {f"{path}.rehost": 0o600}
    assert list(apply(guest, plan)) == []


def test_units_that_name_devices_are_changed():
    path = "/etc/systemd/system/srv.mount"
    named = DeviceName(file=path, name="/dev/sdb1", lasting="UUID=3")
    guest = MemoryGuest({path: "[Mount]\nWhat=/dev/sdb1\nWhere=/srv\n"})
    list(apply(guest, Plan(reasons=(), devices=(named,))))
    assert "What=/dev/disk/by-uuid/3\n" in guest.text(path)
