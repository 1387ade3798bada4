"""Whole machines are migrated while they work, and are on the other side what they were.

As an operator would: the line of an enrolment, a task, a test launch, the cutover.
"""

from pathlib import Path

import pytest

from tests.compat.conftest import Service
from tests.guest.migration import (
    LIMIT_S,
    at_work,
    expect_all_there,
    expect_moved,
    found_by_load,
    logged_in,
)
from tests.guest.source import install

pytestmark = pytest.mark.needs(
    "root", "debootstrap", "qemu-system-x86_64", "qemu-img", "ovmf", "libguestfs"
)
# Where each has room for the files of its load, best on another filesystem than its root.
LAYOUTS = {
    "bios-mbr-plain": "/srv/load",
    "bios-lvm-btrfs": "/data/load",
    "uefi-gpt-xfs": "/srv/load",
    "btrfs-snapshots": "/home/load",
    "raid1-lvm": "/home/load",
}
IN_EVERY_RUN = ("bios-mbr-plain",)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in IN_EVERY_RUN else pytest.mark.slow) for n in LAYOUTS],
)
def test_machine_is_what_it_was(name: str, service: Service, folder: Path) -> None:
    with at_work(install(name), LAYOUTS[name], service, folder) as migration:
        migration.create()
        migration.until_state("SYNCING")
        migration.act("clone_test")
        tried = migration.until_launched("test")
        assert tried["outcome"] == "up", tried
        expect_tried(migration, tried["server_id"])
        migration.act("clear")
        migration.until(lambda: migration.launch("test") is None)

        migration.witness.wait_for_more(20, limit_s=LIMIT_S)
        migration.act("cutover")
        migration.until_state("SYNC_SUCCESS")
        assert migration.until_launched("final")["outcome"] == "up"
        migration.witness.wait_for_more(limit_s=LIMIT_S)  # the source goes on
        expect_moved(migration)


def expect_tried(migration, server_id) -> None:
    """The clone is what the source was when it was cut for it."""
    told = migration.witness.told(cut=migration.witness.cuts)
    with logged_in(migration.target.with_name(server_id)) as console:
        expect_all_there(found_by_load(console, migration.files), told)


@pytest.mark.slow
def test_machine_is_what_it_was_whatever_is_killed(service: Service, folder: Path) -> None:
    name = "bios-lvm-btrfs"
    with at_work(install(name), LAYOUTS[name], service, folder) as migration:
        console, witness = migration.source.console, migration.witness
        migration.create(speed_limit=40)
        migration.until_copied(32 << 20)
        console.run("systemctl kill --signal KILL rehost-agent")
        migration.until_copied(96 << 20)
        console.type("echo b >/proc/sysrq-trigger\n")
        console.log_in(limit_s=LIMIT_S)
        migration.until_copied(128 << 20)
        migration.set_limit(0)
        migration.until_state("SYNCING")

        witness.wait_for_more(20, limit_s=LIMIT_S)
        cuts = witness.cuts
        migration.act("cutover")
        witness.wait_until(lambda: witness.cuts > cuts, limit_s=LIMIT_S)
        restart(service)
        migration.until(lambda: migration.launch("final"))  # its system is being changed
        restart(service)
        migration.until(lambda: (start := migration.launch("final")) and start["boot_at"])
        restart(service)
        migration.until_state("SYNC_SUCCESS")
        expect_moved(migration, torn=1)


def restart(service: Service) -> None:
    service.kill()
    service.start()
