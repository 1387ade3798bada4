import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehost.stages.convert.devices import (
    edit_command_lines,
    edit_crypttab,
    edit_environment,
    edit_fstab,
    edit_unit,
)

NAMES = {
    "/dev/sda1": "UUID=1111",
    "/dev/sda5": "UUID=5555",
    "/dev/disk/by-id/ata-X-part2": "UUID=2",
}


@pytest.mark.parametrize(
    ("line", "edited"),
    [
        ("/dev/sda1 / ext4 defaults 0 1\n", "UUID=1111 / ext4 defaults 0 1\n"),
        ("  /dev/sda5\tnone swap\tsw 0 0", "  UUID=5555\tnone swap\tsw 0 0"),
        ("/dev/disk/by-id/ata-X-part2 /d xfs defaults\n", "UUID=2 /d xfs defaults\n"),
        ("/dev/sda10 /x ext4\n", "/dev/sda10 /x ext4\n"),
        ("#/dev/sda1 / ext4\n", "#/dev/sda1 / ext4\n"),
        ("# / was on /dev/sda1 before\n", "# / was on /dev/sda1 before\n"),
        (
            "UUID=7 /d xfs noatime,logdev=/dev/sda1 0 0\n",
            "UUID=7 /d xfs noatime,logdev=/dev/disk/by-uuid/1111 0 0\n",
        ),
        ("#UUID=7 /d xfs logdev=/dev/sda1\n", "#UUID=7 /d xfs logdev=/dev/sda1\n"),
        ("/srv/a /srv/b none bind,x-was=/dev/sda1\n", "/srv/a /srv/b none bind,x-was=/dev/sda1\n"),
    ],
)
def test_fstab_names_what_is_on_a_device(line, edited):
    assert edit_fstab(f"proc /proc proc\n{line}", NAMES) == f"proc /proc proc\n{edited}"


def test_crypttab_names_what_is_on_a_device():
    text = "# a /dev/sda5\nswap /dev/sda5 /dev/urandom swap\nroot UUID=7 none luks\n"
    assert edit_crypttab(text, NAMES) == (
        "# a /dev/sda5\nswap UUID=5555 /dev/urandom swap\nroot UUID=7 none luks\n"
    )


@pytest.mark.parametrize(
    ("line", "edited"),
    [
        ("linux /vmlinuz root=/dev/sda1 ro quiet", "linux /vmlinuz root=UUID=1111 ro quiet"),
        ('X="root=/dev/sda1 resume=/dev/sda5"', 'X="root=UUID=1111 resume=UUID=5555"'),
        ("RESUME=/dev/sda5", "RESUME=UUID=5555"),
        ('RESUME="/dev/sda5"', 'RESUME="UUID=5555"'),
        ("root='/dev/sda1' ro", "root='UUID=1111' ro"),
        ("root=/dev/sda10", "root=/dev/sda10"),
        ("root=/dev/mapper/vg-root", "root=/dev/mapper/vg-root"),
        ("set root='hd0,msdos1'", "set root='hd0,msdos1'"),
        ("netroot=/dev/sda1", "netroot=/dev/sda1"),
    ],
)
def test_command_lines_name_root_and_resume_devices(line, edited):
    assert edit_command_lines(f"a\n{line}\nb\n", NAMES) == f"a\n{edited}\nb\n"


def test_units_name_paths():
    unit = "[Mount]\n# What=/dev/sda1\nWhat=/dev/sda1\nWhere=/dev/sda5\n"
    edited = unit.replace("\nWhat=/dev/sda1", "\nWhat=/dev/disk/by-uuid/1111")
    assert edit_unit(unit, NAMES) == edited
    assert "by-partuuid/ab-02" in edit_unit(unit, {"/dev/sda1": "PARTUUID=ab-02"})


def test_grub_s_environment_stays_as_long_as_it_is():
    text = "# GRUB Environment Block\nkernelopts=root=/dev/sda1 ro\n"
    edited = edit_environment(text.ljust(1024, "#"), NAMES)
    assert edited == text.replace("/dev/sda1", "UUID=1111").ljust(1024, "#")
    long = NAMES | {"/dev/sda1": "UUID=" + "1" * 1000}
    assert edit_environment(text.ljust(1024, "#"), long) == text.ljust(1024, "#")


WORD = st.sampled_from([*NAMES, "UUID=9", "/", "swap", "#", "none", "root=/dev/sda1", " ", "\t"])
ANY = st.one_of(st.text(max_size=80), st.lists(WORD, max_size=20).map(" ".join))


@given(ANY)
def test_editing_changes_no_lines_but_those_and_twice_is_once(text):
    for edit in (edit_fstab, edit_crypttab, edit_command_lines):
        once = edit(text, NAMES)
        assert edit(once, NAMES) == once
        assert edit(text, {}) == text
        assert once.count("\n") == text.count("\n")
        if not any(name in text for name in NAMES):
            assert once == text
