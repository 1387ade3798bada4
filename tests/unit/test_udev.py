from rehost.stages.discover.udev import parse


def test_the_stable_name_is_the_disks_not_that_of_what_is_on_it():
    record = parse(
        (
            "S:disk/by-id/lvm-pv-uuid-abc",
            "S:disk/by-id/scsi-0QEMU_disk1",
            "S:disk/by-id/wwn-0x5000",
            "E:ID_SERIAL=0QEMU_disk1",
        )
    )
    assert record.stable_name == "scsi-0QEMU_disk1"
    assert record.get("SERIAL") == "0QEMU_disk1"


def test_a_disk_may_have_no_stable_name():
    assert parse(("E:ID_FS_TYPE=ext4",)).stable_name == ""
