"""The agent in a whole machine, put there as a user would: with the line of `rehost enroll`."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import Service
from tests.guest.source import Source, install, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("root", "debootstrap", "qemu-system-x86_64", "qemu-img", "ovmf"),
]
LIMIT_S = 120


def enrol(source: Source, service: Service, token: str) -> None:
    status, _, body = service.call(
        "POST", "/v3/rehost/enrolments", {"hours": 1}, X_Auth_Token=token
    )
    assert status == 201
    source.console.run("cd /root")
    source.console.run(body["line"])


def registered(service: Service, token: str) -> dict[str, Any]:
    """The one source, once it is judged and its agent was heard."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        _, _, body = service.call("GET", "/v3/sources", X_Auth_Token=token)
        for source in body["source_servers"]:
            if source["connected"] and source["checks"]:
                path = f"/v3/sources/{source['id']}"
                shown: dict[str, Any] = service.call("GET", path, X_Auth_Token=token)[2]
                return shown
        time.sleep(1)
    pytest.fail("no source registered in time")


def test_agent_registers_its_machine_and_comes_back_after_a_restart(
    service: Service, tmp_path: Path
) -> None:
    token = service.token()
    with running(install("bios-mbr-plain"), tmp_path) as source:
        source.console.log_in()
        enrol(source, service, token)
        shown = registered(service, token)
        assert shown["hostname"] == "bios-mbr-plain"
        assert [c for c in shown["checks"] if c["result"] == "ERROR"] == []
        assert [disk["size"] for disk in shown["disks"]] == [source.machine.disks[0].size]
        source.console.write("reboot\n")
        source.console.log_in()
        assert source.console.run("systemctl is-active rehost-agent").strip() == "active"
        assert registered(service, token)["id"] == shown["id"]
