"""What each provider must pass: subclass a contract, give it a `new_provider` fixture.

`new_provider` makes a provider of the same place at each call, as a service that starts anew does.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Protocol

import pytest

from rehost.model.server import Firmware
from rehost.provider_errors import (
    BadServerName,
    BadTargetSpec,
    TargetDiffers,
    TargetDiskLost,
    TargetGone,
)
from rehost.providers.base import DiskSpec, Power, Provider, TargetServer, TargetSpec

MIB = 1 << 20
SPEC = TargetSpec(
    task_id="1b9fa8a0-task",
    name="web-1",
    disks=(
        DiskSpec(name="/dev/vda", size=64 * MIB + 512),
        DiskSpec(name="/dev/vdb", size=20 << 30),
    ),
    cpus=1,
    memory=128 * MIB,
    firmware=Firmware.BIOS,
)
BAD_NAMES = ("", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\0", "a\n", "x" * 65, "ä")
BAD_DISKS = (
    (),
    (DiskSpec(name="sda", size=0),),
    (DiskSpec(name="sda", size=-4096),),
    (DiskSpec(name="sda", size=MIB, sector_size=520),),
)


def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it never came true")


class Disks(Protocol):
    """The part of a provider that the disks are made by."""

    def create(self, spec: TargetSpec) -> TargetServer: ...

    def power(self, server_id: str) -> Power: ...

    def delete(self, server_id: str) -> None: ...


NewDisks = Callable[[], Disks]


def fill(server: TargetServer, content: bytes) -> None:
    for disk in server.disks:
        with disk.path.open("r+b") as file:
            file.seek(MIB)
            file.write(content)


def held(server: TargetServer, size: int) -> set[bytes]:
    def at(disk):
        with disk.path.open("rb") as file:
            file.seek(MIB)
            return file.read(size)

    return {at(disk) for disk in server.disks}


class DisksContract:
    def test_disks_are_there_empty_and_in_order(self, new_provider: NewDisks) -> None:
        server = new_provider().create(SPEC)
        assert [d.name for d in server.disks] == [d.name for d in SPEC.disks]
        assert server.name == SPEC.name
        assert held(server, 4096) == {bytes(4096)}

    def test_disks_are_as_large_as_they_say_and_the_guest_needs(
        self, new_provider: NewDisks
    ) -> None:
        for made, wanted in zip(new_provider().create(SPEC).disks, SPEC.disks, strict=True):
            assert made.size == made.path.stat().st_size
            assert wanted.size <= made.size < wanted.size + 4096
            assert made.size % 4096 == 0

    def test_empty_disks_take_no_space(self, new_provider: NewDisks) -> None:
        server = new_provider().create(SPEC)
        assert sum(d.path.stat().st_blocks * 512 for d in server.disks) < MIB

    def test_nobody_else_may_read_the_disks(self, new_provider: NewDisks) -> None:
        for disk in new_provider().create(SPEC).disks:
            assert disk.path.stat().st_mode & 0o077 == 0
            assert disk.path.parent.stat().st_mode & 0o077 == 0

    def test_create_twice_gives_one_server_with_what_it_held(self, new_provider: NewDisks) -> None:
        first = new_provider().create(SPEC)
        fill(first, b"migrated")
        assert new_provider().create(SPEC) == first
        assert held(first, 8) == {b"migrated"}

    def test_create_at_once_from_many_gives_one_server(self, new_provider: NewDisks) -> None:
        with ThreadPoolExecutor(8) as pool:
            servers = list(pool.map(lambda _: new_provider().create(SPEC), range(16)))
        assert all(server == servers[0] for server in servers)

    def test_a_killed_create_is_finished_by_the_next(self, new_provider: NewDisks) -> None:
        wanted = None
        for step in range(1, 60):
            ended = killed_after(step, lambda: new_provider().create(SPEC))
            server = new_provider().create(SPEC)
            wanted = wanted or server
            assert server == wanted
            assert [d.path.stat().st_size for d in server.disks] == [d.size for d in wanted.disks]
            assert held(server, 8) == {bytes(8)}
            if ended:
                return
            new_provider().delete(server.id)
        pytest.fail("create never ended")

    def test_a_killed_create_keeps_what_was_migrated(self, new_provider: NewDisks) -> None:
        server = new_provider().create(SPEC)
        fill(server, b"migrated")
        for step in range(1, 60):
            larger = replace(SPEC, cpus=step)
            ended = killed_after(step, partial(new_provider().create, larger))
            assert new_provider().create(SPEC) == server
            assert held(server, 8) == {b"migrated"}
            if ended:
                return
        pytest.fail("create never ended")

    def test_a_killed_delete_leaves_nothing_to_the_next_server(
        self, new_provider: NewDisks
    ) -> None:
        for step in range(1, 60):
            server = new_provider().create(SPEC)
            fill(server, b"the old")
            ended = killed_after(step, lambda: new_provider().delete(SPEC.task_id))
            if new_provider().power(server.id) is Power.GONE:
                assert held(new_provider().create(SPEC), 7) == {bytes(7)}
            else:
                assert held(new_provider().create(SPEC), 7) == {b"the old"}
            new_provider().delete(server.id)
            if ended:
                return
        pytest.fail("delete never ended")

    def test_other_disks_for_the_same_task_are_refused(self, new_provider: NewDisks) -> None:
        provider = new_provider()
        fill(provider.create(SPEC), b"migrated")
        with pytest.raises(TargetDiffers, match="/dev/vdb"):
            provider.create(replace(SPEC, disks=SPEC.disks[:1]))
        assert held(provider.create(SPEC), 8) == {b"migrated"}

    def test_disks_grow_and_never_shrink(self, new_provider: NewDisks) -> None:
        fill(new_provider().create(SPEC), b"migrated")
        larger = tuple(replace(disk, size=disk.size + 5 * MIB) for disk in SPEC.disks)
        server = new_provider().create(replace(SPEC, disks=larger))
        assert [d.path.stat().st_size for d in server.disks] == [d.size for d in server.disks]
        assert all(d.size >= w.size for d, w in zip(server.disks, larger, strict=True))
        assert held(server, 8) == {b"migrated"}
        with pytest.raises(TargetDiffers):
            new_provider().create(SPEC)

    def test_a_killed_growth_is_finished_by_the_next(self, new_provider: NewDisks) -> None:
        larger = replace(SPEC, disks=tuple(replace(d, size=d.size * 2) for d in SPEC.disks))
        for step in range(60):
            server = new_provider().create(SPEC)
            fill(server, b"migrated")
            ended = killed_after(step, lambda: new_provider().create(larger))
            server = new_provider().create(larger)
            assert [d.path.stat().st_size for d in server.disks] == [d.size for d in server.disks]
            assert held(server, 8) == {b"migrated"}
            new_provider().delete(server.id)
            if ended:
                return
        pytest.fail("growth never ended")

    def test_another_size_of_the_machine_is_taken(self, new_provider: NewDisks) -> None:
        server = new_provider().create(SPEC)
        assert new_provider().create(replace(SPEC, cpus=2, memory=256 * MIB)) == server

    @pytest.mark.parametrize("spoil", [os.unlink, lambda path: os.truncate(path, MIB)])
    def test_a_lost_disk_is_never_replaced_by_an_empty_one(self, new_provider, spoil) -> None:
        spoil(new_provider().create(SPEC).disks[1].path)
        with pytest.raises(TargetDiskLost):
            new_provider().create(SPEC)

    def test_servers_do_not_meet(self, new_provider: NewDisks) -> None:
        provider = new_provider()
        one, other = provider.create(SPEC), provider.create(replace(SPEC, task_id="other"))
        fill(one, b"one")
        fill(other, b"two")
        provider.delete(other.id)
        assert held(one, 3) == {b"one"}
        assert provider.power(one.id) is Power.OFF

    def test_delete_removes_all_it_made(self, new_provider: NewDisks) -> None:
        server = new_provider().create(SPEC)
        new_provider().delete(server.id)
        assert new_provider().power(server.id) is Power.GONE
        assert not any(disk.path.exists() for disk in server.disks)

    def test_delete_what_is_gone(self, new_provider: NewDisks) -> None:
        provider = new_provider()
        provider.delete("never-existed")
        provider.delete(provider.create(SPEC).id)
        provider.delete(SPEC.task_id)

    def test_power_of_what_never_was(self, new_provider: NewDisks) -> None:
        assert new_provider().power("never-existed") is Power.GONE

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_ids_that_are_paths_are_refused(self, new_provider: NewDisks, name: str) -> None:
        with pytest.raises(BadServerName):
            new_provider().create(replace(SPEC, task_id=name))
        with pytest.raises(BadServerName):
            new_provider().delete(name)

    @pytest.mark.parametrize("disks", BAD_DISKS)
    def test_impossible_disks_are_refused(self, new_provider, disks) -> None:
        with pytest.raises(BadTargetSpec):
            new_provider().create(replace(SPEC, disks=disks))
        assert new_provider().power(SPEC.task_id) is Power.GONE


CHANGES = frozenset({"open", "os.mkdir", "os.truncate", "os.rename", "os.remove", "os.rmdir"})


def killed_after(changes: int, action: Callable[[], object]) -> bool:
    """Do it in a process that is killed at its n-th change of a file; True if it ended before."""
    child = os.fork()
    if child == 0:
        try:
            sys.addaudithook(Killer(changes))
            action()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status == 0


class Killer:
    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, event: str, _: object) -> None:
        if event not in CHANGES:
            return
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)


NewProvider = Callable[[], Provider]


class ProviderContract(DisksContract):
    def test_boot_and_stop(self, new_provider: NewProvider) -> None:
        server = new_provider().create(SPEC)
        assert new_provider().power(server.id) is Power.OFF
        new_provider().boot(server.id)
        assert new_provider().power(server.id) is Power.ON
        new_provider().stop(server.id)
        assert new_provider().power(server.id) is Power.OFF

    def test_boot_and_stop_again_change_nothing(self, new_provider: NewProvider) -> None:
        server = new_provider().create(SPEC)
        for _ in range(2):
            new_provider().boot(server.id)
        assert new_provider().power(server.id) is Power.ON
        for _ in range(2):
            new_provider().stop(server.id)
        assert new_provider().power(server.id) is Power.OFF

    def test_one_that_is_gone_cannot_boot_but_is_stopped(self, new_provider: NewProvider) -> None:
        with pytest.raises(TargetGone):
            new_provider().boot("never-existed")
        new_provider().stop("never-existed")

    def test_create_leaves_one_that_runs_alone(self, new_provider: NewProvider) -> None:
        server = new_provider().create(SPEC)
        new_provider().boot(server.id)
        assert new_provider().create(SPEC) == server
        assert new_provider().power(server.id) is Power.ON
        new_provider().stop(server.id)

    def test_delete_turns_it_off_first(self, new_provider: NewProvider) -> None:
        server = new_provider().create(SPEC)
        new_provider().boot(server.id)
        new_provider().delete(server.id)
        assert new_provider().power(server.id) is Power.GONE
        new_provider().create(SPEC)
        assert new_provider().power(server.id) is Power.OFF
