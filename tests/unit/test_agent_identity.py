import pytest

from rehost.agent.identity import contradiction, merged
from rehost.model.server import Identity

ORIGINAL = Identity(machine_id="m", dmi_uuid="4C4C4544-0001", disk_serials=("a", "b"))


@pytest.mark.parametrize(
    "present",
    [
        ORIGINAL,
        Identity(),
        Identity(dmi_uuid="4c4c4544-0001", disk_serials=("new",)),
        Identity(machine_id="reset", dmi_uuid="4c4c4544-0001"),
        Identity(disk_serials=("b", "c")),
        Identity(disk_serials=()),
        Identity(dmi_uuid="00000000-0000-0000-0000-000000000000"),
    ],
)
def test_the_same_machine_is_recognised(present):
    assert contradiction(ORIGINAL, present) is None


@pytest.mark.parametrize(
    ("present", "why"),
    [
        (Identity(machine_id="m", dmi_uuid="4c4c4544-0002", disk_serials=("a", "b")), "UUID"),
        (Identity(machine_id="m", disk_serials=("c",)), "disks c instead of a, b"),
    ],
)
def test_a_clone_is_told_apart(present, why):
    assert why in (contradiction(ORIGINAL, present) or "")


def test_placeholders_of_makers_tell_nothing():
    junk = "03000200-0400-0500-0006-000700080009"
    stored = Identity(dmi_uuid=junk, disk_serials=("a",))
    assert contradiction(stored, Identity(dmi_uuid=junk, disk_serials=("b",)))


def test_what_is_not_known_now_is_remembered():
    present = Identity(disk_serials=("b", "c"))
    assert merged(ORIGINAL, present) == Identity(
        machine_id="m", dmi_uuid="4C4C4544-0001", disk_serials=("b", "c")
    )
