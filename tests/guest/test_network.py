"""What really gets in and out of targets, on each kind of network."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rehost.model.server import Firmware
from rehost.providers.base import Interface, TargetSpec
from rehost.providers.qemu import QemuOptions, QemuProvider
from rehost.providers.qemu.options import Acceleration
from rehost.stages.launch import Outcome, parse, watch
from tests.guest import tiny

pytestmark = [pytest.mark.slow, pytest.mark.needs("root", "ip", *tiny.NEEDS)]

LIMIT_S = 300
TCG = QemuOptions(acceleration=Acceleration.TCG)
SERVE = """
while :; do echo SSH-2.0-tiny | nc -l -p 22; done &
echo hello >/www/health
httpd -p 8080 -h /www
"""
# As a system with a static address does, whatever network it finds itself on.
STATIC = """
ip address add 192.168.7.20/24 dev eth0
ip route add default via 192.168.7.1
"""
TRY_TO_GET_OUT = """
for address in 192.168.7.1 {outside}; do
    timeout 5 wget -q -O /dev/null http://$address:{tcp}/tcp-$address && echo got tcp $address
    timeout 5 tftp -g -r udp-$address -l /got $address {udp}
done
"""


def spec(task_id: str, **interface: str) -> TargetSpec:
    return TargetSpec(
        task_id=task_id,
        name=task_id,
        disks=(tiny.DISK,),
        cpus=1,
        memory=tiny.MEMORY,
        firmware=Firmware.UEFI,
        interfaces=(Interface(mac="52:54:00:aa:bb:cc", **interface),),
        boot_file=tiny.FILE,
    )


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[QemuProvider]:
    provider = QemuProvider(tmp_path / "targets", TCG)
    yield provider
    for server in (tmp_path / "targets").iterdir():
        provider.delete(server.name)


def said(provider: QemuProvider, server_id: str, pattern: str) -> re.Match[str]:
    """Wait until the console says it."""
    text = ""
    for _ in range(LIMIT_S):
        text = provider.console(server_id, last=1 << 20).decode(errors="replace")
        if found := re.search(pattern, text):
            return found
        time.sleep(1)
    pytest.fail(f"no {pattern!r} in:\n{text[-3000:]}")


class Ear:
    """A TCP and a UDP port of this host, open to all, and what was asked for there."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("0.0.0.0", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("0.0.0.0", 0))
        self.udp.settimeout(0.2)
        self.heard: set[str] = set()
        self._open = True
        self._threads = [threading.Thread(target=t) for t in (self._serve, self._listen)]
        for thread in self._threads:
            thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection:
                self._note(connection.recv(4096))
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")

    def _listen(self) -> None:
        while self._open:
            try:
                self._note(self.udp.recv(4096))
            except TimeoutError:
                continue

    def _note(self, asked: bytes) -> None:
        self.heard |= {name.decode() for name in re.findall(rb"(?:tcp|udp)-[0-9.]+", asked)}

    def close(self) -> None:
        self._open = False
        self.tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self.tcp.close()
        self.udp.close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.close()


def own_address() -> str:
    """Of this host, as others see it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def test_nothing_gets_out_of_a_clone_and_the_service_gets_in(provider, tmp_path, ear):
    outside = own_address()
    script = TRY_TO_GET_OUT.format(
        outside=outside, tcp=ear.tcp.getsockname()[1], udp=ear.udp.getsockname()[1]
    )
    # Only what gets out otherwise can be seen to be kept in.
    origin = provider.create(
        spec("origin", network="user", address="192.168.7.20/24", gateway="192.168.7.1")
    )
    tiny.write(origin.disks[0].path, tmp_path, STATIC + SERVE + script)
    provider.clone(origin.id, "clone")
    provider.boot(origin.id)
    said(provider, origin.id, "the script has ended")
    ways = {f"{kind}-{to}" for kind in ("tcp", "udp") for to in ("192.168.7.1", outside)}
    assert ear.heard == ways
    provider.stop(origin.id, hard=True)
    ear.heard.clear()

    provider.boot("clone")
    verdict = watch(provider, "clone", limit_s=LIMIT_S, settle_s=0)
    assert (verdict.outcome, verdict.why) == (Outcome.UP, "SSH answers at its port 22")
    found = watch(provider, "clone", limit_s=30, settle_s=0, probe=parse("http:8080/health"))
    assert found.outcome is Outcome.UP
    assert provider.accepts("clone", 8080)
    assert not provider.accepts("clone", 8081)
    said(provider, "clone", "the script has ended")
    assert ear.heard == set()
    assert b"got tcp" not in provider.console("clone", last=1 << 20)


BRIDGE = "br-rehost"
LEASES = """interface {bridge}
start 10.77.0.20
end 10.77.0.20
option subnet 255.255.255.0
option router 10.77.0.1
lease_file {folder}/leases
pidfile {folder}/udhcpd.pid
"""
BOOT = """
import sys
from pathlib import Path
from rehost.providers.qemu import QemuProvider
from tests.guest.test_network import TCG
print(QemuProvider(Path(sys.argv[1]), TCG).boot(sys.argv[2]).said)
"""


@contextmanager
def bridged(folder: Path) -> Iterator[list[str]]:
    """A network namespace with a bridge, on which there is DHCP: how to run something in it."""
    name = f"rehost-{folder.name[-8:]}"
    inside = ["ip", "netns", "exec", name]
    with ExitStack() as cleanup:
        subprocess.run(["ip", "netns", "add", name], check=True)
        cleanup.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
        for words in (
            ["link", "set", "lo", "up"],
            ["link", "add", BRIDGE, "type", "bridge"],
            ["address", "add", "10.77.0.1/24", "dev", BRIDGE],
            ["link", "set", BRIDGE, "up"],
        ):
            subprocess.run([*inside, "ip", *words], check=True)
        (folder / "udhcpd.conf").write_text(LEASES.format(bridge=BRIDGE, folder=folder))
        (folder / "leases").touch()
        server = subprocess.Popen([*inside, "busybox", "udhcpd", "-f", folder / "udhcpd.conf"])
        cleanup.callback(server.wait)
        cleanup.callback(server.terminate)
        yield inside


def test_guest_on_a_bridge_gets_an_address_there_and_is_reached(provider, tmp_path):
    with bridged(tmp_path) as inside, ExitStack() as cleanup:
        script = f"udhcpc -i eth0 -n -q -t 10 -s /leased\n{SERVE}\nip address show dev eth0\n"
        # What is checked is checked where the service runs: not here, in the namespace.
        options = {"task_id": "bridged", "network": f"bridge:{BRIDGE}"}
        made = json.loads(run(inside, MAKE, str(tmp_path / "targets"), json.dumps(options)))
        cleanup.callback(provider.delete, "bridged")
        tiny.write(Path(made), tmp_path, script)
        run(inside, BOOT, str(tmp_path / "targets"), "bridged")
        said(provider, "bridged", r"inet 10\.77\.0\.20/24")
        said(provider, "bridged", "the script has ended")
        answer = subprocess.run(
            [*inside, "busybox", "nc", "-w", "5", "10.77.0.20", "22"],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        assert answer.stdout.startswith(b"SSH-2.0-tiny")


MAKE = """
import json
import sys
from pathlib import Path
from rehost.providers.qemu import QemuProvider
from tests.guest.test_network import TCG, spec
server = QemuProvider(Path(sys.argv[1]), TCG).create(spec(**json.loads(sys.argv[2])))
print(json.dumps(str(server.disks[0].path)))
"""


def run(inside: list[str], program: str, *words: str) -> str:
    """Some Python, as the service would run there."""
    argv = [*inside, sys.executable, "-c", program, *words]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
