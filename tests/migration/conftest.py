"""Services, machines and disks for whole migrations; all are gone at the end."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compat.conftest import Service
from tests.migration.rig import Machine, ended
from tests.ports import free_port

SERVE = ("--provider", "null", "--poll-interval", "1")


@pytest.fixture
def cleanup() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def make_service(tmp_path: Path, cleanup: contextlib.ExitStack) -> Callable[..., Service]:
    """`data` may be on a file system of its own; `database` "" is SQLite within it."""
    numbers = itertools.count()

    def make(*options: str, data: Path | None = None, database: str = "") -> Service:
        port = free_port()
        folder = tmp_path / f"service-{next(numbers)}"
        folder.mkdir()
        given = tuple(option.format(port=port) for option in options)
        service = Service(data or folder / "data", port, (*SERVE, *given), database)
        cleanup.enter_context(ended(service))
        service.start()
        return service

    return make


@pytest.fixture
def make_machine(tmp_path: Path, cleanup: contextlib.ExitStack) -> Callable[..., Machine]:
    """With its agent running; `options` are of `rehost-agent run`."""
    numbers = itertools.count()

    def make(service: Service, disk: Path, *options: str) -> Machine:
        machine = Machine(service, tmp_path / f"machine-{next(numbers)}", disk, options)
        cleanup.enter_context(ended(machine))
        machine.start()
        return machine

    return make
