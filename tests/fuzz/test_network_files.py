"""Guests' network configuration: nothing raises, the second time changes nothing more, and what
is not about the wish stays byte for byte."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehost.stages.convert.network import EXISTING, FILES, Wish, rewrite

MAC, NEW, OTHER = "52:54:00:12:34:56", "fa:16:3e:0a:0b:0c", "00:11:22:33:44:55"
MACS, BACK = {MAC: NEW}, Wish(macs={NEW: MAC})
NAMES = {"eth0": MAC, "ens4": OTHER, "bond0": MAC, "eth0.5": MAC}
VOCABULARY = """\
iface auto eth0 eth0:1 ens4 bond0 eth0.5 inet inet6 static dhcp manual address netmask
gateway hwaddress ether bond-slaves bridge_ports none up post-up route source mapping inherits
[Match] [Link] [Network] [Address] [Route] [NetDev] [connection] [ethernet] [ipv4] [ipv6] [vlan]
Name Name=eth0 MACAddress MACAddress= PermanentMACAddress= Path=pci-0 Driver=e1000 Type=ether
DHCP=no Address=10.0.0.2/24 Address=2001:db8::1/64 Gateway= IPv6AcceptRA=no Bond=bond0 Kind=bond
type=ethernet interface-name=eth0 mac-address= cloned-mac-address= method=manual address1=
master=bond0 uuid=1 parent=1 DEVICE=eth0 HWADDR= BOOTPROTO=none BOOTPROTO='static' IPADDR=10.0.0.2
IPADDR1=10.0.0.3 GATEWAY= MASTER=bond0 BRIDGE=br0 IPV6ADDR= NAME="eth0" NAME="lan0"
SUBSYSTEM=="net" ACTION=="add" KERNELS=="0000:00:03.0" network: ethernets: eth0: bonds: vlans:
interfaces: link: match: macaddress: set-name: addresses: nameservers: routes: dhcp4: config:
disabled [10.0.0.2/24] {a: b} &a *a - ? ! | > # ; " ' = \\ { } [ ]"""
SPACES = [
    " ",
    "  ",
    "    ",
    "\t",
    "\n",
    "\n  ",
    "\n    ",
    "\n      ",
    "\r\n",
    "\\\n",
    "",
    "\x85",
    "\x0b",
]

words = st.sampled_from([*VOCABULARY.split(), MAC, MAC.upper(), OTHER, MAC.replace(":", "-")])
soup = st.lists(words | st.sampled_from(SPACES) | st.text(max_size=2)).map("".join)
contents = soup.map(str.encode) | st.text().map(str.encode) | st.binary()
paths = st.sampled_from([*FILES, *EXISTING]).map(
    lambda p: p.replace("*", "252", 1).replace("*", "a")
)
guests = st.dictionaries(paths, contents, max_size=6)
wishes = st.builds(
    Wish,
    names=st.dictionaries(
        st.sampled_from([*NAMES, "odd name", "a/b"]), st.sampled_from([MAC, OTHER])
    ),
    macs=st.sampled_from([{}, MACS]),
    dhcp=st.booleans(),
)


def after(files: dict[str, bytes], wish: Wish) -> dict[str, bytes]:
    changed = rewrite(files, wish).files
    return {p: c for p in {**files, **changed} if (c := changed.get(p, files.get(p))) is not None}


@settings(deadline=None)
@given(guests, wishes)
def test_garbage_never_raises_and_the_second_time_changes_nothing(files, wish):
    assert rewrite(after(files, wish), wish).files == {}


@settings(deadline=None)
@given(guests)
def test_without_a_wish_nothing_changes(files):
    assert rewrite(files, Wish()).files == {}


@settings(deadline=None)
@given(guests, st.sampled_from(["eth0", "ens4"]))
def test_a_name_is_pinned_without_touching_what_is_neither_link_file_nor_for_it(files, name):
    files = {p: c for p, c in files.items() if NEW.encode() not in c}
    for path, content in rewrite(files, Wish(names={name: NEW})).files.items():
        assert path not in files or path.endswith(".link") or NEW in str(content).lower()


@settings(deadline=None)
@given(guests)
def test_addresses_are_all_that_changes_of_addresses(files):
    files = {p: c for p, c in files.items() if NEW.encode() not in c.lower()}
    for path, content in rewrite(files, Wish(macs=MACS)).files.items():
        if path in files and content is not None:
            back = BACK.replace_macs(content.decode("latin-1")).encode("latin-1")
            assert back.lower() == files[path].lower()


LINES = {
    "/etc/network/interfaces": ["auto eth0 ens4", "iface eth0 inet static", "  address 10.0.0.2/24",
        "  gateway 10.0.0.1", "iface ens4 inet6 static", "iface lo inet loopback", "", "# a",
        "iface br9 inet static", "  up true", "  mtu 9000"],
    "/etc/systemd/network/a.network": ["[Match]", "Name=eth0", "[Network]", "Address=10.0.0.2/24",
        "Domains=a", "[Route]", "Gateway=10.0.0.1", "# a", "", "DHCP=no", "[Link]", "MTUBytes=90"],
    "/etc/NetworkManager/system-connections/a": ["[connection]", "interface-name=eth0", "[ipv4]",
        "method=manual", "address1=10.0.0.2/24", "# a", "", "[ipv6]", "dns-search=a", "[u]", "k=v"],
    "/etc/sysconfig/network-scripts/ifcfg-eth0": ["BOOTPROTO=none", 'IPADDR="10.0.0.2"', "MTU=9000",
        "# a", "", "IPV6ADDR=2001:db8::1/64", "PREFIX=24", "if true; then", "ONBOOT=yes  # b"],
}  # fmt: skip


@pytest.mark.parametrize("path", LINES)
@settings(deadline=None)
@given(data=st.data())
def test_every_line_is_still_there_after_a_change_to_dhcp(path, data):
    """In its place: as it was, as a comment, or with another method; and few are new."""
    text = data.draw(
        st.lists(st.sampled_from(LINES[path])).map(lambda lines: "\n".join(lines) + "\n")
    )
    new = after({path: text.encode()}, Wish(names=NAMES, dhcp=True))[path].decode().splitlines()
    left = [line.replace("# rehost: ", "") for line in new]
    method = re.compile(r"(method=|BOOTPROTO=|DHCP=| inet6? ).*")
    want = [method.sub(r"\1", line) for line in text.splitlines()]
    have = iter(method.sub(r"\1", line) for line in left)
    assert all(line in have for line in want)
    assert len(new) <= len(want) + 2
