import pytest

from rehost.model.identity import contradictions, same_machine
from rehost.model.server import Identity

UUID, OTHER_UUID = "4c4c4544-0051-3010-8058-b7c04f4d4e31", "4c4c4544-0051-3010-8058-b7c04f4d4e32"
ORIGINAL = Identity(machine_id="m1", dmi_uuid=UUID, disk_serials=("disk-a", "disk-b"))


@pytest.mark.parametrize(
    "present",
    [
        ORIGINAL,
        Identity(machine_id="m1", dmi_uuid=UUID.upper(), disk_serials=("disk-b", "disk-c")),
        Identity(machine_id="m1", dmi_uuid="44454c4c-5100-1030-8058-b7c04f4d4e31"),
        Identity(dmi_uuid=UUID),
        Identity(machine_id="m1", dmi_uuid="", disk_serials=()),
        Identity(machine_id="m1", dmi_uuid="ffffffff-ffff-ffff-ffff-ffffffffffff"),
        Identity(machine_id="m1", dmi_uuid=UUID, disk_serials=("QM00001", "none")),
    ],
)
def test_one_machine(present):
    assert same_machine(ORIGINAL, present)
    assert contradictions(ORIGINAL, present) == []


@pytest.mark.parametrize(
    ("present", "why"),
    [
        (
            Identity(machine_id="m1", dmi_uuid=OTHER_UUID, disk_serials=("disk-a",)),
            ["hardware UUID"],
        ),
        (Identity(machine_id="m1", dmi_uuid=UUID, disk_serials=("disk-c",)), ["disks"]),
        (Identity(machine_id="m2", dmi_uuid=UUID), ["machine-id"]),
        (Identity(machine_id="m2", disk_serials=("disk-c",)), ["machine-id", "disks"]),
    ],
)
def test_two_machines(present, why):
    assert not same_machine(ORIGINAL, present)
    assert contradictions(ORIGINAL, present) == why
    assert contradictions(present, ORIGINAL) == why


def test_where_nothing_is_known_nothing_is_said():
    for other in (ORIGINAL, Identity()):
        assert not same_machine(Identity(), other)
        assert contradictions(Identity(), other) == []
