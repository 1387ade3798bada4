from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rehost.model.identity import JUNK_UUIDS, contradictions, same_machine
from rehost.model.server import Identity
from rehost.stages.register import find, identity_key, identity_of
from tests.unit.check.any_report import values_of
from tests.unit.check.reports import LINUX, linux

ID, OTHER_ID = "8f2d" * 8, "17ac" * 8
UUID, OTHER_UUID = "11223344-5566-7788-99aa-bbccddeeff00", "01020304-0506-0708-090a-0b0c0d0e0f10"
MACHINE = Identity(machine_id=ID, dmi_uuid=UUID, disk_serials=("S1", "S2"))

JUNK_UUID = st.sampled_from(
    ["", "0" * 32, "00000000-0000-0000-0000-000000000000", "F" * 32, "Not Settable", *JUNK_UUIDS]
) | st.just("44454c4c-0000-1020-8020-80c04f202020")  # one of JUNK_UUIDS in the other byte order
JUNK_SERIAL = st.sampled_from(
    [
        "",
        " ",
        "0",
        "0000000001",
        "QM00001",
        "drive-scsi0",
        "None",
        "To be filled by O.E.M.",
        "-",
        "N/A",
        "Default",
        "UNKNOWN",
        "0123456789ABCDEF",
        "123456789",
        "xxxxxxxx",
    ]
)
MACHINE_IDS = st.uuids().map(lambda uuid: uuid.hex)
UUIDS = st.uuids().map(str)
SERIALS = st.from_regex(r"S[A-Z0-9]{7}[G-W]", fullmatch=True)
SETS = st.lists(SERIALS, min_size=1, max_size=5, unique=True).map(tuple)
MACHINES = st.builds(Identity, machine_id=MACHINE_IDS, dmi_uuid=UUIDS, disk_serials=SETS)
ANY = values_of(Identity) | MACHINES


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"disk_serials": ("S1",)}, True),  # a disk removed
        ({"disk_serials": ("S1", "S2", "S3")}, True),  # added
        ({"disk_serials": ("S3", "S2")}, True),  # replaced
        ({"disk_serials": ("S3", "S4")}, False),
        ({"disk_serials": ()}, True),
        ({"disk_serials": None}, True),
        ({"dmi_uuid": OTHER_UUID}, False),
        ({"dmi_uuid": None}, True),
        ({"dmi_uuid": None, "disk_serials": None}, True),
        ({"dmi_uuid": None, "disk_serials": ("S3",)}, False),
        ({"machine_id": OTHER_ID}, False),
        ({"machine_id": None}, True),
        ({"machine_id": None, "disk_serials": None}, True),
        ({"machine_id": None, "disk_serials": ("S3",)}, False),
        ({"machine_id": None, "dmi_uuid": None}, False),
        ({"machine_id": None, "dmi_uuid": OTHER_UUID}, False),
        ({"machine_id": "uninitialized", "dmi_uuid": None}, False),
        ({"machine_id": "0" * 32, "dmi_uuid": None}, False),
    ],
)
def test_same_machine(changes: dict[str, object], same: bool):
    other = replace(MACHINE, **changes)  # type: ignore[arg-type]
    assert same_machine(MACHINE, other) is same
    assert same_machine(other, MACHINE) is same


def test_nothing_known_is_no_machine():
    assert not same_machine(Identity(), Identity())
    assert identity_key(Identity()) is None


@given(ANY, ANY)
def test_both_sides_agree(a: Identity, b: Identity):
    assert same_machine(a, b) == same_machine(b, a)


@given(ANY, ANY)
def test_what_contradicts_is_never_the_same(a: Identity, b: Identity):
    assert not (contradictions(a, b) and same_machine(a, b))


@given(ANY)
def test_a_machine_is_itself_if_anything_identifies_it(a: Identity):
    assert same_machine(a, a) == (identity_key(a) is not None)


@given(MACHINES, UUIDS, SETS)
def test_a_clone_is_told_apart_by_its_uuid(a: Identity, uuid: str, serials: tuple[str, ...]):
    assume(a.dmi_uuid != uuid)
    assert not same_machine(a, replace(a, dmi_uuid=uuid))
    assert not same_machine(a, replace(a, dmi_uuid=uuid, disk_serials=serials))


@given(MACHINES, SETS, JUNK_UUID | st.none())
def test_a_clone_without_a_uuid_is_told_apart_by_its_disks(
    a: Identity, serials: tuple[str, ...], uuid: str | None
):
    assume(not set(serials) & set(a.disk_serials or ()))
    assert not same_machine(a, replace(a, dmi_uuid=uuid, disk_serials=serials))


@given(MACHINES, SETS)
def test_disks_come_and_go_as_long_as_one_stays(a: Identity, more: tuple[str, ...]):
    kept = (a.disk_serials or ())[:1]
    assert same_machine(a, replace(a, disk_serials=more + kept))
    assert same_machine(a, replace(a, disk_serials=(a.disk_serials or ()) + more))


@given(MACHINES, JUNK_UUID | st.none(), st.lists(JUNK_SERIAL, max_size=3) | st.none())
def test_junk_says_nothing(a: Identity, uuid: str | None, serials: list[str] | None):
    vague = replace(a, dmi_uuid=uuid, disk_serials=None if serials is None else tuple(serials))
    assert same_machine(a, vague)
    assert not same_machine(a, replace(vague, machine_id=None))
    assert identity_key(replace(vague, machine_id=None)) is None


@given(MACHINES)
def test_the_way_a_fact_is_written_does_not_matter(a: Identity):
    shouted = Identity(
        machine_id=f" {a.machine_id}\n".upper(),
        dmi_uuid=f"{{{a.dmi_uuid}}}".upper(),
        disk_serials=tuple(f"  {serial.lower()}__" for serial in a.disk_serials or ()),
    )
    assert same_machine(a, shouted)
    assert identity_key(a) == identity_key(shouted)


def test_kernels_differ_in_the_byte_order_of_a_uuid():
    swapped = replace(MACHINE, dmi_uuid="44332211-6655-8877-99aa-bbccddeeff00")
    assert same_machine(MACHINE, swapped)
    assert same_machine(replace(MACHINE, machine_id=None), replace(swapped, machine_id=None))
    assert identity_key(replace(MACHINE, machine_id=None)) == identity_key(
        replace(swapped, machine_id=None)
    )


@given(MACHINES, ANY)
def test_what_is_the_same_has_the_same_key_if_both_know_their_machine_id(a: Identity, b: Identity):
    b = replace(b, machine_id=a.machine_id)
    assert identity_key(a) == identity_key(b)


def test_a_key_does_not_show_the_machine_id():
    key = identity_key(MACHINE)
    assert key is not None
    assert (len(key), ID in key) == (64, False)


def report_of(identity: Identity):
    return linux(identity=identity)


def test_find_takes_the_machine_among_its_clones():
    clone = replace(MACHINE, dmi_uuid=OTHER_UUID)
    assert find(report_of(clone), {"a": MACHINE, "b": clone}) == "b"
    assert find(report_of(MACHINE), {"b": clone}) is None
    assert find(report_of(MACHINE), {}) is None


def test_find_prefers_the_candidate_with_a_disk_in_common():
    vague = replace(MACHINE, dmi_uuid=None, disk_serials=None)
    assert find(report_of(MACHINE), {"a": vague, "b": MACHINE}) == "b"
    assert find(report_of(vague), {"a": MACHINE, "b": vague}) == "a"


def test_a_report_of_another_agent_is_of_no_known_machine():
    report = replace(LINUX, facts=None)
    assert identity_of(report) == Identity()
    assert find(report, {"a": MACHINE, "b": Identity()}) is None
