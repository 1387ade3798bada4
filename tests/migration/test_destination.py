"""Disks arrive by the address that was set for their task, and by IPv6 where that was asked for."""

import ipaddress
from pathlib import Path

import pytest

from tests.compat.conftest import Service
from tests.migration.rig import MIB, Machine, differing, make_disk, set_limit

ESTABLISHED = "01"
SIZE = 12 * MIB


def addresses_at(port: int) -> set[str]:
    """Those of this machine at which somebody is connected to the port; see proc(5), net/tcp."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, at = local.partition(":")
            if state == ESTABLISHED and int(at, 16) == port:
                found.add(str(_address(bytes.fromhex(address))))
    return found


def _address(words: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Of 32-bit words, each the other way round; IPv4 also where the socket is of both kinds."""
    turned = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    address = ipaddress.ip_address(turned)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def arrived_by(machine: Machine, task_id: str) -> set[str]:
    """The addresses that the disk goes to, once it has arrived."""
    transfer = machine.until(lambda: machine.rig.transfer(task_id))
    addresses: set[str] = machine.until(lambda: addresses_at(transfer["port"]))
    set_limit(machine, task_id, 0)
    task = machine.until_ended(task_id)
    assert task["state"] == "MIGRATE_SUCCESS", task["error_json"]
    assert differing(machine.disk, machine.target(task_id)) == []
    return addresses


def configure(machine: Machine, task_id: str, address: str) -> None:
    rows = [{"config_key": "MIGRATE_DST_IP", "config_value": address}]
    path = f"/v3/tasks/{task_id}/configuration-setting"
    machine.rig.call("POST", path, {"configurations": rows})


def test_a_disk_is_sent_to_the_task_s_address(tmp_path, make_service, make_machine):
    service = make_service("--host", "0.0.0.0", "--insecure-http")
    machine = make_machine(service, make_disk(tmp_path / "disk", SIZE))
    task_id = machine.task(migration_ip="127.0.0.2", speed_limit=8)
    assert arrived_by(machine, task_id) == {"127.0.0.2"}


def test_a_running_task_follows_another_address(tmp_path, make_service, make_machine):
    machine = make_machine(make_service(), make_disk(tmp_path / "disk", SIZE))
    task_id = machine.task(auto_start=False, speed_limit=8)
    configure(machine, task_id, "127.0.0.2")  # where nobody listens
    machine.rig.act(task_id, "start")
    machine.until(lambda: "no connection to the receiver at 127.0.0.2" in machine.log)
    configure(machine, task_id, "127.0.0.1")
    assert arrived_by(machine, task_id) == {"127.0.0.1"}


@pytest.mark.needs("ipv6")
def test_a_disk_is_sent_to_an_address_of_ipv6(tmp_path, make_service, make_machine):
    service = make_service("--host", "::", "--insecure-http")
    machine = make_machine(service, make_disk(tmp_path / "disk", SIZE))
    task_id = machine.task(use_ipv6=True, migration_ip="::1", speed_limit=8)
    assert arrived_by(machine, task_id) == {"::1"}


@pytest.mark.needs("ipv6")
def test_by_ipv6_a_disk_is_sent_where_the_agent_reaches_the_service(
    tmp_path, make_service, make_machine, monkeypatch
):
    monkeypatch.setattr(Service, "url", property(lambda service: f"http://[::1]:{service.port}"))
    service = make_service("--host", "::", "--insecure-http")
    machine = make_machine(service, make_disk(tmp_path / "disk", SIZE))
    task_id = machine.task(use_ipv6=True, start_network_check=True, speed_limit=8)
    assert arrived_by(machine, task_id) == {"::1"}
    assert machine.show(task_id)["network_check_info"]["destination_connectivity"] is True
