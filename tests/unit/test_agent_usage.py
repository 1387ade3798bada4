import socket
from pathlib import Path

import pytest

from rehost.agent import network_check
from rehost.agent.usage import Usage

DISKS = """ 254 0 vda 10 0 {read} 5 20 0 {written} 7 0 9 12 0 0 0 0 0 0
 254 1 vda1 10 0 900000 5 20 0 900000 7 0 9 12 0 0 0 0 0 0
 253 0 dm-0 10 0 900000 5 20 0 900000 7 0 9 12 0 0 0 0 0 0
"""


def write(proc: Path, *, busy: int, own: int, sectors: int) -> None:
    own_folder = proc / "7"
    own_folder.mkdir(exist_ok=True)
    (proc / "stat").write_text(f"cpu  {busy} 0 0 5000 100 0 0 0 0 0\ncpu0 1 2 3\n")
    (proc / "diskstats").write_text(DISKS.format(read=sectors, written=sectors))
    (proc / "meminfo").write_text("MemTotal: 4000 kB\nMemFree: 1 kB\nMemAvailable: 1000 kB\n")
    (own_folder / "stat").write_text(f"7 (a ) (name) S {'0 ' * 10}{own} 0 0 0\n")
    (own_folder / "statm").write_text("900 100 0 0\n")
    (own_folder / "io").write_text(f"rchar: 1\nread_bytes: {sectors * 512}\nwrite_bytes: 0\n")


def test_figures_are_of_the_time_between_two_questions(tmp_path: Path):
    write(tmp_path, busy=1000, own=100, sectors=0)
    usage = Usage(7, proc=tmp_path)
    write(tmp_path, busy=1000, own=100, sectors=1000)
    figures = usage.figures()
    assert figures["total_cpu_usage"] == figures["agent_cpu_usage"] == 0
    # Written and read by the disk alone, not again by what is on it.
    assert figures["total_disk_io"] > 1.9 * figures["agent_disk_io"] > 0
    assert figures["total_mem_usage"] == 3.07
    assert usage.memory_share() == 75


def test_a_process_that_is_gone_has_no_figures(tmp_path: Path):
    write(tmp_path, busy=1000, own=100, sectors=0)
    usage = Usage(7, proc=tmp_path)
    (tmp_path / "7" / "stat").unlink()
    assert usage.figures() == {}


def test_an_old_kernel_says_less(tmp_path: Path):
    write(tmp_path, busy=1000, own=100, sectors=0)
    (tmp_path / "meminfo").write_text("MemTotal: 4000 kB\n")
    usage = Usage(7, proc=tmp_path)
    assert "total_cpu_usage" in usage.figures()
    assert "total_mem_usage" not in usage.figures()
    assert usage.memory_share() == 0


def test_the_way_to_a_receiver_is_measured_by_connecting_to_it():
    with socket.create_server(("127.0.0.1", 0), backlog=20) as server:
        port = server.getsockname()[1]
        way = network_check.measure("127.0.0.1", port, ipv6=False)
    assert way.loss == 0
    assert 0 < way.delay_ms < 3000
    told = network_check.body(way, speed=80.0, cpu=1.0, memory=2.0)
    assert (told["destination_connectivity"], told["evaluation_result"]) == (True, "good")
    away = network_check.measure("127.0.0.1", port, ipv6=False)
    told = network_check.body(away, speed=0.0, cpu=1.0, memory=2.0)
    assert (told["destination_connectivity"], told["loss_percentage"]) == (False, 100)


@pytest.mark.needs("ipv6")
def test_the_way_by_ipv6_is_measured_by_ipv6_alone():
    with socket.create_server(("127.0.0.1", 0), backlog=20) as other:
        port = other.getsockname()[1]
        assert network_check.measure("localhost", port, ipv6=True).loss == 100
        assert network_check.measure("127.0.0.1", port, ipv6=True).loss == 100
        with socket.create_server(("::1", port), family=socket.AF_INET6, backlog=20):
            assert network_check.measure("::1", port, ipv6=True).loss == 0
