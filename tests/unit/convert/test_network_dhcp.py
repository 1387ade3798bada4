"""From static addresses to DHCP. The first files are those of the distributions' manuals."""

from rehost.stages.convert.network import Wish
from tests.unit.convert.guest import MAC, rewritten, whole

INTERFACES = "/etc/network/interfaces"
WISH = Wish(names={"eth0": MAC, "eth1": "52:54:00:aa:bb:cc"}, dhcp=True)


def changed(path: str, text: str, wish: Wish = WISH) -> str | None:
    return rewritten({path: text}, wish).get(path, text)


def test_ifupdown():
    text = """\
# This file describes the network interfaces available on your system
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug eth0
iface eth0 inet static
    address 192.0.2.7/24
    gateway 192.0.2.254
    mtu 1400
    # the site's
    dns-nameservers 192.0.2.53
    dns-search example.org
iface eth0 inet6 static
    address 2001:db8::c0ca:1eaf/64
    gateway 2001:db8::1ead:ed:beef
"""
    assert (
        changed(INTERFACES, text)
        == """\
# This file describes the network interfaces available on your system
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug eth0
iface eth0 inet dhcp
    # rehost: address 192.0.2.7/24
    # rehost: gateway 192.0.2.254
    mtu 1400
    # the site's
    # rehost: dns-nameservers 192.0.2.53
    dns-search example.org
iface eth0 inet6 auto
    # rehost: address 2001:db8::c0ca:1eaf/64
    # rehost: gateway 2001:db8::1ead:ed:beef
"""
    )


def test_ifupdown_further_addresses_of_an_interface_go():
    text = """\
auto eth0 eth0:1
iface eth0 inet static
    address 192.0.2.7/24
iface eth0:1 inet static
    address 192.0.2.8/24
iface eth0 inet static
    address 192.0.2.9/24
"""
    assert (
        changed(INTERFACES, text)
        == """\
auto eth0
iface eth0 inet dhcp
    # rehost: address 192.0.2.7/24
# rehost: iface eth0:1 inet static
    # rehost: address 192.0.2.8/24
# rehost: iface eth0 inet static
    # rehost: address 192.0.2.9/24
"""
    )


def test_ifupdown_what_stands_upon_cards_asks_and_inner_bridges_do_not():
    text = """\
iface eth0 inet manual
    bond-master bond0
iface bond0 inet manual
    bond-slaves eth0 eth1
iface bond0.5 inet static
    address 10.5.0.2/24
auto br0
iface br0 inet static
    bridge_ports bond0
    address 10.0.0.2/24
iface br1 inet static
    bridge_ports none
    address 10.9.0.1/24
iface eth7 inet static
    address 10.7.0.1/24
"""
    expected = text.replace("bond0.5 inet static\n    ", "bond0.5 inet dhcp\n    # rehost: ")
    expected = expected.replace("br0 inet static", "br0 inet dhcp")
    assert changed(INTERFACES, text) == expected.replace(
        "    address 10.0.0.2", "    # rehost: address 10.0.0.2"
    )


def test_ifupdown_commands_that_set_routes_stay_and_are_noted():
    text = (
        "iface eth0 inet static\n address 10.0.0.2/24\n up ip route add 10.1.0.0/16 via 10.0.0.1\n"
    )
    rewriting = whole({INTERFACES: text, "/sbin/dhclient": ""}, WISH)
    assert rewriting.notes == (
        "/etc/network/interfaces: eth0 still runs 'ip route add 10.1.0.0/16 via 10.0.0.1', "
        "which may not fit the network.",
    )


def test_netplan():
    text = """\
# Let NetworkManager manage nothing
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0:
      addresses:
        - 10.10.10.2/24   # the site's
        - "2001:db8::2/64"

      # where to
      gateway4: 10.10.10.1
      nameservers:
          search: [mydomain, otherdomain]
          addresses: [10.10.10.1, 1.1.1.1]
      routes:
        - to: default
          via: 10.10.10.1
      # the last word
    eth9:
      addresses: [10.9.0.1/24]
"""
    assert (
        changed("/etc/netplan/01-netcfg.yaml", text)
        == """\
# Let NetworkManager manage nothing
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0:
      dhcp4: true
      dhcp6: true
      # rehost: addresses:
        # rehost: - 10.10.10.2/24   # the site's
        # rehost: - "2001:db8::2/64"

      # where to
      # rehost: gateway4: 10.10.10.1
      nameservers:
          search: [mydomain, otherdomain]
          # rehost: addresses: [10.10.10.1, 1.1.1.1]
      # rehost: routes:
        # rehost: - to: default
          # rehost: via: 10.10.10.1
      # the last word
    eth9:
      addresses: [10.9.0.1/24]
"""
    )


def test_netplan_between_braces():
    text = (
        "network: {version: 2, ethernets: {eth0: {dhcp4: no, addresses: [10.0.0.2/24], mtu: 1400, "
        "nameservers: {addresses: [10.0.0.1], search: [a]}}}}\n"
    )
    assert changed("/etc/netplan/a.yaml", text) == (
        "network: {version: 2, ethernets: {eth0: {dhcp4: true, mtu: 1400, "
        "nameservers: {search: [a]}}}}\n"
    )


def test_netplan_bonds_and_vlans_upon_cards_that_are_matched():
    text = """\
network:
  ethernets:
    first:
      match: {macaddress: 52:54:00:12:34:56}
    second:
      match:
        name: eth1
      dhcp4: false
  bonds:
    bond0:
      interfaces: [first, second]
      dhcp4: false
      addresses: [10.0.0.2/24]
  vlans:
    office:
      id: 5
      link: bond0
      addresses: [10.5.0.2/24]
  bridges:
    inner:
      interfaces: []
      addresses: [10.9.0.1/24]
"""
    expected = text.replace("false\n      addresses", "true\n      # rehost: addresses")
    expected = expected.replace(
        "      addresses: [10.5", "      # rehost: addresses: [10.5"
    ).replace("      id: 5", "      dhcp4: true\n      id: 5")
    assert changed("/etc/netplan/a.yaml", text) == expected


def test_netplan_with_aliases_is_left_and_noted():
    text = """\
network:
  ethernets:
    eth0:
      addresses: &a [10.0.0.2/24]
    eth1:
      addresses: *a
"""
    rewriting = whole({"/etc/netplan/a.yaml": text}, WISH)
    assert "/etc/netplan/a.yaml" not in rewriting.files
    assert "aliases" in rewriting.notes[0]


def test_networkd():
    text = """\
[Match]
Name=eth*

[Network]
Description=uplink
Address=192.168.0.15/24
Gateway=192.168.0.1
DNS=192.168.0.1
Domains=example.org

[Route]
# far
Destination=10.0.0.0/8
Gateway=192.168.0.2
"""
    assert (
        changed("/etc/systemd/network/50-static.network", text)
        == """\
[Match]
Name=eth*

[Network]
DHCP=ipv4
Description=uplink
# rehost: Address=192.168.0.15/24
# rehost: Gateway=192.168.0.1
# rehost: DNS=192.168.0.1
Domains=example.org

# rehost: [Route]
# far
# rehost: Destination=10.0.0.0/8
# rehost: Gateway=192.168.0.2
"""
    )


def test_networkd_by_address_with_ipv6_and_drop_ins():
    base = "/etc/systemd/network/a.network"
    files = {
        base: f"[Match]\nMACAddress={MAC}\n[Network]\nDHCP=no\nIPv6AcceptRA=no\n"
        "[Address]\nAddress=2001:db8::2/64\n",
        base + ".d/more.conf": "[Network]\nAddress=10.0.0.2/24\n",
        "/etc/systemd/network/b.network": "[Match]\nName=wg0\n[Network]\nAddress=10.8.0.1/24\n",
    }
    assert rewritten(files, WISH) == {
        base: f"[Match]\nMACAddress={MAC}\n[Network]\nDHCP=yes\n# rehost: IPv6AcceptRA=no\n"
        "# rehost: [Address]\n# rehost: Address=2001:db8::2/64\n",
        base + ".d/more.conf": "[Network]\nDHCP=ipv4\n# rehost: Address=10.0.0.2/24\n",
    }


def test_keyfile():
    text = """\
[connection]
id=Wired connection 1
uuid=27afa607-ee36-43f0-b8c3-9d245cdc4bb3
type=ethernet
interface-name=eth0

[ethernet]

[ipv4]
address1=192.0.2.1/24,192.0.2.254
dns=192.0.2.200;
dns-search=example.com;
method=manual
route1=198.51.100.0/24,192.0.2.10

[ipv6]
method=disabled
"""
    assert (
        changed("/etc/NetworkManager/system-connections/eth0.nmconnection", text)
        == """\
[connection]
id=Wired connection 1
uuid=27afa607-ee36-43f0-b8c3-9d245cdc4bb3
type=ethernet
interface-name=eth0

[ethernet]

[ipv4]
# rehost: address1=192.0.2.1/24,192.0.2.254
# rehost: dns=192.0.2.200;
dns-search=example.com;
method=auto
# rehost: route1=198.51.100.0/24,192.0.2.10

[ipv6]
method=disabled
"""
    )


def test_keyfiles_bond_by_uuid_and_others_than_cards():
    folder = "/etc/NetworkManager/system-connections/"
    manual = "[ipv4]\nmethod=manual\n"
    bond = "[connection]\nuuid=b-1\ntype=bond\ninterface-name=bond0\n" + manual
    files = {
        folder + "bond": bond,
        folder + "port": "[connection]\ntype=ethernet\ninterface-name=eth1\nmaster=b-1\n",
        folder + "inner": "[connection]\ntype=bridge\ninterface-name=br9\n" + manual,
        folder + "vpn": "[connection]\ntype=wireguard\n" + manual,
    }
    assert rewritten(files, WISH) == {folder + "bond": bond.replace("manual", "auto")}


def test_ifcfg_of_centos():
    folder = "/etc/sysconfig/network-scripts/"
    files = {
        folder + "ifcfg-eth0": """\
TYPE=Ethernet
BOOTPROTO="none"
DEFROUTE=yes
# the site's
IPADDR=10.0.1.27
PREFIX=24
GATEWAY=10.0.1.1
DNS1=10.0.1.53
IPV6INIT=yes
IPV6_AUTOCONF=no
IPV6ADDR=2001:db8::27/64
DEVICE=eth0
ONBOOT=yes
""",
        folder + "ifcfg-eth0:1": "DEVICE=eth0:1\nIPADDR=10.0.1.28\n",
        folder + "route-eth0": "# far\n10.9.0.0/16 via 10.0.1.2\n",
        folder + "ifcfg-eth9": "DEVICE=eth9\nIPADDR=10.9.1.1\n",
        folder + "route-eth9": "10.9.0.0/16 via 10.0.1.2\n",
        "/etc/sysconfig/network": "NETWORKING=yes\nGATEWAY=10.0.1.1\n",
    }
    assert rewritten(files, WISH) == {
        folder + "ifcfg-eth0": """\
TYPE=Ethernet
BOOTPROTO="dhcp"
DEFROUTE=yes
# the site's
# rehost: IPADDR=10.0.1.27
# rehost: PREFIX=24
# rehost: GATEWAY=10.0.1.1
# rehost: DNS1=10.0.1.53
IPV6INIT=yes
IPV6_AUTOCONF=yes
# rehost: IPV6ADDR=2001:db8::27/64
DEVICE=eth0
ONBOOT=yes
""",
        folder + "ifcfg-eth0:1": None,
        folder + "route-eth0": "# far\n# rehost: 10.9.0.0/16 via 10.0.1.2\n",
        "/etc/sysconfig/network": "NETWORKING=yes\n# rehost: GATEWAY=10.0.1.1\n",
    }


def test_ifcfg_of_suse():
    folder = "/etc/sysconfig/network/"
    files = {
        folder + "ifcfg-bond0": "STARTMODE='onboot'\nBOOTPROTO='static'\nIPADDR='192.168.0.1/24'\n"
        "IPADDR_1='192.168.0.2/24'\nLABEL_1='x'\nBONDING_MASTER='yes'\nBONDING_SLAVE_0='eth0'\n",
        folder + "ifcfg-br9": "BOOTPROTO='static'\nIPADDR='10.9.0.1/24'\nBRIDGE_PORTS=''\n",
        folder + "routes": "default 192.168.0.254 - -\n",
    }
    assert rewritten(files, WISH) == {
        folder + "ifcfg-bond0": "STARTMODE='onboot'\nBOOTPROTO='dhcp'\n"
        "# rehost: IPADDR='192.168.0.1/24'\n# rehost: IPADDR_1='192.168.0.2/24'\n"
        "# rehost: LABEL_1='x'\nBONDING_MASTER='yes'\nBONDING_SLAVE_0='eth0'\n",
        folder + "routes": "# rehost: default 192.168.0.254 - -\n",
    }


def test_what_asks_already_stays_byte_for_byte():
    files = {
        INTERFACES: "auto eth0\niface eth0 inet dhcp\n  metric 5\n",
        "/etc/netplan/a.yaml": "network:\n  ethernets:\n    eth0: {dhcp4: true}\n",
        "/etc/systemd/network/a.network": "[Match]\nName=eth0\n[Network]\nDHCP=yes\n",
        "/etc/sysconfig/network-scripts/ifcfg-eth0": "BOOTPROTO=dhcp\nDEVICE=eth0\n",
        "/etc/sysconfig/network-scripts/route-eth0": "10.0.0.0/8 via 10.1.1.1\n",
    }
    assert rewritten(files, WISH) == {}


def test_ifcfg_that_has_only_the_address_of_its_card():
    text = f"HWADDR={MAC.upper()}\nBOOTPROTO=none\nIPADDR=10.0.0.2\n"
    new = text.replace("none", "dhcp").replace("IPADDR", "# rehost: IPADDR")
    assert changed("/etc/sysconfig/network-scripts/ifcfg-Wired_1", text) == new
