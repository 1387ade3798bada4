"""What the guests' own programs make of the files. As root on Debian, for all of it:
apt-get install netplan.io ifupdown network-manager udev"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from rehost.stages.convert.network import Wish, rewrite
from tests.unit.convert.guest import MAC, NEW

pytestmark = pytest.mark.slow

SYSTEMD = {"/usr/lib/systemd/libsystemd-shared-252.so": b""}
WISH = Wish(names={"eth0": MAC, "eth1": "52:54:00:aa:bb:cc"}, macs={MAC: NEW})
DHCP = Wish(names=WISH.names, macs=WISH.macs, dhcp=True)
# In a mount namespace of its own, where /etc is what the test says.
EVENT = """
set -e
mount -t tmpfs tmpfs /run && mkdir /run/udev
mount --bind "$1/etc/systemd/network" /etc/systemd/network
mount --bind "$1/etc/udev/rules.d" /etc/udev/rules.d
{make}
exec udevadm test --action=add "/sys/class/net/$2" 2>&1
"""
VIRTUAL = 'mount -t sysfs sysfs /sys && ip link add "$2" address "$3" type veth peer name other'


def lay(folder: Path, files: Mapping[str, bytes | None]) -> None:
    for path, content in files.items():
        there = folder / path.removeprefix("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(content or b"")
        there.chmod(0o600)


def changed(files: dict[str, str], wish: Wish) -> dict[str, bytes]:
    given = {path: text.encode() for path, text in files.items()}
    new = {path: content or b"" for path, content in rewrite(given | SYSTEMD, wish).files.items()}
    return given | new


def run(*argv: str | Path, given: bytes = b"") -> str:
    done = subprocess.run(argv, check=True, capture_output=True, timeout=60, input=given)
    return done.stdout.decode()


NETPLAN = """\
network:
  version: 2
  ethernets:
    eth0:
      match: {macaddress: "52:54:00:12:34:56"}
      set-name: eth0
      addresses:
        - 10.10.10.2/24
        - "2001:db8::2/64"
      routes:
        - to: default
          via: 10.10.10.1
      nameservers: {addresses: [10.10.10.1], search: [example.org]}
  vlans:
    office: {id: 5, link: eth0, addresses: [10.5.0.2/24]}
"""


@pytest.mark.needs("netplan")
@pytest.mark.parametrize("wish", [WISH, DHCP])
def test_netplan(tmp_path: Path, wish: Wish):
    lay(tmp_path, changed({"/etc/netplan/a.yaml": NETPLAN}, wish))
    run("netplan", "generate", "--root-dir", tmp_path)
    folder = tmp_path / "run/systemd/network"
    assert f"PermanentMACAddress={NEW}" in (folder / "10-netplan-eth0.link").read_text()
    card, vlan = ((folder / f"10-netplan-{n}.network").read_text() for n in ("eth0", "office"))
    assert f"PermanentMACAddress={NEW}" in card
    assert "Domains=example.org" in card
    assert ["Address=10.10.10.2/24" in card, "Gateway=10.10.10.1" in card] == [not wish.dhcp] * 2
    assert ("DHCP=yes" in card) == ("DHCP=ipv4" in vlan) == wish.dhcp


INTERFACES = """\
auto lo eth0 eth0:1 br0
iface lo inet loopback
iface eth0 inet static
\taddress 192.0.2.7/24
\tgateway 192.0.2.254
\thwaddress 52:54:00:12:34:56
iface eth0:1 inet static
\taddress 192.0.2.8/24
iface eth0 inet6 static
\taddress 2001:db8::7/64
iface br0 inet static
\tbridge_ports eth1
\taddress 10.1.0.1/24
"""


@pytest.mark.needs("ifquery", "ifup")
@pytest.mark.parametrize("wish", [WISH, DHCP])
def test_ifupdown(tmp_path: Path, wish: Wish):
    path = "/etc/network/interfaces"
    lay(tmp_path, changed({path: INTERFACES}, wish))
    file = tmp_path / path.removeprefix("/")
    listed = run("ifquery", "-i", file, "--list").split()
    assert listed == (["lo", "eth0", "br0"] if wish.dhcp else ["lo", "eth0", "eth0:1", "br0"])
    argv = ("ifup", "--no-act", "-i", file, "--state-dir", tmp_path)
    would = {
        name: subprocess.run([*argv, name], check=True, capture_output=True, timeout=60).stderr
        for name in ("eth0", "br0")
    }
    assert NEW.encode() in would["eth0"]
    assert (b"192.0.2.7" in would["eth0"]) == (b"10.1.0.1" in would["br0"]) == (not wish.dhcp)
    assert (b"eth0.leases" in would["eth0"]) == (b"br0.leases" in would["br0"]) == wish.dhcp
    assert (b"eth0.autoconf=1" in would["eth0"]) == wish.dhcp


KEYFILE = """\
[connection]
id=Wired connection 1
uuid=27afa607-ee36-43f0-b8c3-9d245cdc4bb3
type=ethernet
interface-name=eth0

[ethernet]
mac-address=52:54:00:12:34:56

[ipv4]
address1=192.0.2.1/24,192.0.2.254
dns=192.0.2.200;
dns-search=example.com;
method=manual

[ipv6]
address1=2001:db8::2/64
method=manual
"""


@pytest.mark.needs("nmcli")
@pytest.mark.parametrize("wish", [WISH, DHCP])
def test_network_manager(wish: Wish):
    path = "/etc/NetworkManager/system-connections/a"
    text = changed({path: KEYFILE}, wish)[path]
    read = run("nmcli", "--offline", "connection", "modify", "connection.zone", "x", given=text)
    assert f"mac-address={NEW.upper()}" in read
    assert "dns-search=example.com;" in read
    assert ("address1=192.0.2.1/24,192.0.2.254" in read) == (not wish.dhcp)
    assert read.count("method=auto") == (2 if wish.dhcp else 0)


@pytest.fixture
def card() -> tuple[str, str]:
    for folder in Path("/sys/class/net").iterdir():
        if (folder / "device").exists():
            return folder.name, (folder / "address").read_text().strip()
    pytest.skip("this machine has no network card")


def event(folder: Path, *argv: str, make: str = "", network: bool = True) -> str:
    """What udev does when the interface appears, with the files in `folder`.

    Nothing is renamed: the name that is wished is the one that it has.
    """
    for there in ("etc/systemd/network", "etc/udev/rules.d"):
        (folder / there).mkdir(parents=True, exist_ok=True)
    flags = "-m" if network else "-mn"
    return run("unshare", flags, "sh", "-c", EVENT.format(make=make), "sh", str(folder), *argv)


@pytest.mark.needs("root", "unshare", "udevadm")
def test_udev_finds_the_link_file_for_a_card(tmp_path: Path, card: tuple[str, str]):
    name, mac = card
    lay(tmp_path, changed({}, Wish(names={name: mac})))
    said = event(tmp_path, name)
    assert f"ID_NET_LINK_FILE=/etc/systemd/network/00-rehost-{name}.link\n" in said
    assert f"ID_NET_NAME={name}\n" in said


@pytest.mark.needs("root", "unshare", "udevadm", "ip")
def test_udev_does_not_take_a_virtual_interface_with_its_address_for_the_card(tmp_path: Path):
    lay(tmp_path, changed({}, Wish(names={"eth0": MAC})))
    said = event(tmp_path, "upon", MAC, make=VIRTUAL, network=False)
    assert "ID_NET_LINK_FILE=/usr/lib/systemd/network/99-default.link\n" in said


@pytest.mark.needs("root", "unshare", "udevadm")
def test_udev_follows_the_rule(tmp_path: Path, card: tuple[str, str]):
    name, mac = card
    lay(tmp_path, rewrite({}, Wish(names={name: mac})).files)
    said = event(tmp_path, name)
    assert f"70-rehost-net.rules:2 NAME '{name}'" in said
