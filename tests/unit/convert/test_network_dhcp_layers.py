"""DHCP of what stands upon cards, however the files tell their cards; and of rarer files."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rehost.stages.convert.network import Wish
from tests.unit.convert.guest import MAC, rewritten, whole

WISH = Wish(names={"ens192": MAC}, dhcp=True)
NETWORKD = "/etc/systemd/network/"
KEYFILES = "/etc/NetworkManager/system-connections/"
IFCFG = "/etc/sysconfig/network-scripts/"
NETPLAN = "/etc/netplan/"


def changed(path: str, text: str) -> str | None:
    return rewritten({path: text}, WISH).get(path, text)


@pytest.mark.parametrize("match", ["Name=en*", f"MACAddress={MAC}", "Type=ether"])
def test_networkd_bond_of_cards_by_pattern_or_address(match):
    bond = "[Match]\nName=bond0\n[Network]\nAddress=192.0.2.7/24\n"
    files = {
        NETWORKD + "10.network": f"[Match]\n{match}\n[Network]\nBond=bond0\n",
        NETWORKD + "20.network": bond,
    }
    assert "DHCP=ipv4" in (rewritten(files, WISH)[NETWORKD + "20.network"] or "")


def test_keyfile_port_that_names_only_its_card():
    files = {
        KEYFILES + "p": "[connection]\ntype=ethernet\ncontroller=br0\n"
        f"[ethernet]\nmac-address={MAC}\n",
        KEYFILES + "b": "[connection]\nid=br0\ntype=bridge\ninterface-name=br0\n"
        "[ipv4]\nmethod=manual\n",
    }
    assert "method=auto" in (rewritten(files, WISH)[KEYFILES + "b"] or "")


def test_ifcfg_port_that_names_only_its_card():
    files = {
        IFCFG + "ifcfg-lan": f"HWADDR={MAC}\nBRIDGE=br0\n",
        IFCFG + "ifcfg-br0": "DEVICE=br0\nTYPE=Bridge\nBOOTPROTO=none\nIPADDR=192.0.2.7\n",
    }
    assert "BOOTPROTO=dhcp" in (rewritten(files, WISH)[IFCFG + "ifcfg-br0"] or "")


@pytest.mark.parametrize("ports", ["regex en.*", "all", "none regex ens[0-9]+", "ens192"])
def test_ifupdown_bridge_of_cards_by_pattern(ports):
    text = f"iface br0 inet static\n  bridge_ports {ports}\n  address 192.0.2.7/24\n"
    assert "br0 inet dhcp" in (changed("/etc/network/interfaces", text) or "")


@pytest.mark.parametrize("ports", ["regex (", "regex eth.*", "none", "noregex en.*"])
def test_ifupdown_bridge_of_others(ports):
    path = "/etc/network/interfaces"
    text = f"iface br0 inet static\n  bridge_ports {ports}\n  address 192.0.2.7/24\n"
    rewriting = whole({path: text}, WISH)
    assert path not in rewriting.files
    assert any(note.startswith(f"{path}: br0 keeps its static") for note in rewriting.notes)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (NETWORKD + "a.network", "[Match]\nName=br9\n[Network]\nAddress=10.9.0.1/24\n"),
        (KEYFILES + "a", "[connection]\ninterface-name=br9\n[ipv4]\nmethod=manual\n"),
        (IFCFG + "ifcfg-br9", "DEVICE=br9\nIPADDR=10.9.0.1\n"),
        (NETPLAN + "a.yaml", "network: {bridges: {br9: {addresses: [10.9.0.1/24]}}}\n"),
    ],
)
def test_static_addresses_that_stay_are_told(path, text):
    (note,) = whole({path: text}, WISH).notes
    assert note.startswith(f"{path}: br9 keeps its static addresses")


def test_netplan_bridge_upon_a_card_by_its_own_name():
    text = f"""\
network:
  ethernets:
    lan:
      match: {{macaddress: '{MAC}'}}
      set-name: ens192
  bridges:
    br0:
      interfaces: [lan]
      addresses: [192.0.2.7/24]
"""
    expected = text.replace("      interfaces", "      dhcp4: true\n      interfaces")
    assert changed(NETPLAN + "a.yaml", text) == expected.replace("addresses", "# rehost: addresses")


def test_netplan_of_several_files_is_one():
    files = {
        NETPLAN + "1.yaml": "network: {ethernets: {ens192: {addresses: [192.0.2.7/24]}}}\n",
        NETPLAN + "2.yaml": "network:\n  ethernets:\n    ens192:\n      dhcp4: false\n"
        "      gateway4: 192.0.2.1\n",
        NETPLAN + "3.yaml": "network: {ethernets: {ens192: {mtu: 1400}}}\n",
    }
    assert rewritten(files, WISH) == {
        NETPLAN + "1.yaml": "network: {ethernets: {ens192: {dhcp4: true}}}\n",
        NETPLAN + "2.yaml": "network:\n  ethernets:\n    ens192:\n      dhcp4: true\n"
        "      # rehost: gateway4: 192.0.2.1\n",
    }


# Of an entry; only some are of static addresses.
SETTINGS = {
    "addresses": "[192.0.2.7/24, '2001:db8::7/64']",
    "gateway4": "192.0.2.1",
    "routes": "\n        - to: default\n          via: 192.0.2.1",
    "nameservers": "\n        addresses: [192.0.2.1]",
    "accept-ra": "false",
    "dhcp4": "false",
    "mtu": "1400",
}
ENTRIES = st.lists(st.sampled_from(sorted(SETTINGS)), unique=True, min_size=1)


@given(st.lists(ENTRIES, min_size=1, max_size=3))
def test_no_entry_of_netplan_is_left_empty(entries):
    files = {
        f"{NETPLAN}{n}.yaml": "network:\n  ethernets:\n    ens192:\n"
        + "".join(f"      {key}: {SETTINGS[key]}\n" for key in entry)
        for n, entry in enumerate(entries)
    }
    files |= {NETPLAN + "first.yaml": "network: {ethernets: {ens192: {addresses: [10.0.0.2/8]}}}\n"}
    after = [yaml.safe_load(text or "") for text in (files | rewritten(files, WISH)).values()]
    found = [said["network"]["ethernets"]["ens192"] for said in after]
    assert all(isinstance(entry, dict) for entry in found)
    assert any(entry.get("dhcp4") for entry in found)


@pytest.mark.parametrize("key", ["nameservers", "routes"])
def test_netplan_entry_of_which_nothing_is_left_asks_for_an_address(key):
    entry = f"network:\n  ethernets:\n    ens192:\n      {key}: {SETTINGS[key]}\n"
    files = {
        NETPLAN + "50.yaml": "network: {ethernets: {ens192: {addresses: [10.0.0.2/8]}}}\n",
        NETPLAN + "60.yaml": entry,
    }
    changed = rewritten(files, WISH)[NETPLAN + "60.yaml"] or ""
    assert changed.startswith(
        f"network:\n  ethernets:\n    ens192:\n      dhcp4: true\n      # rehost: {key}:"
    )


def test_netplan_listens_to_routers_where_it_asks_for_ipv6():
    text = "network: {ethernets: {ens192: {accept-ra: false, addresses: ['2001:db8::7/64']}}}\n"
    assert changed(NETPLAN + "a.yaml", text) == (
        "network: {ethernets: {ens192: {dhcp4: true, dhcp6: true}}}\n"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [("ipv6", "yes"), ("both", "yes"), ("no", "ipv4"), ("ipv4", "ipv4"), ("true", "true")],
)
def test_networkd_that_asks_for_ipv6_asks_for_both(old, new):
    text = f"[Match]\nName=ens192\n[Network]\nDHCP={old}\nAddress=192.0.2.7/24\n"
    expected = text.replace(f"DHCP={old}", f"DHCP={new}").replace("Address", "# rehost: Address")
    assert changed(NETWORKD + "a.network", text) == expected


def test_keyfile_needs_no_answer_of_each_family():
    text = (
        "[connection]\ninterface-name=ens192\n[ipv4]\nmethod=manual\nmay-fail=false\n"
        "never-default=true\n[ipv6]\nmethod=auto\nmay-fail=false\n"
    )
    expected = text.replace("manual\nmay-fail", "auto\n# rehost: may-fail")
    expected = expected.replace("never", "# rehost: never")
    assert changed(KEYFILES + "a", text) == expected


def test_keyfile_of_the_second_card_still_gives_no_default_route():
    text = "[connection]\ninterface-name=b\n[ipv4]\nmethod=manual\nnever-default=true\n"
    wish = Wish(names={"a": MAC, "b": "52:54:00:aa:bb:cc"}, dhcp=True)
    changed = rewritten({KEYFILES + "a": text}, wish)
    assert changed[KEYFILES + "a"] == text.replace("manual", "auto")


def test_ifcfg_values_on_several_lines_and_failures_that_were_fatal():
    text = (
        "DEVICE=ens192\nIPV6ADDR=2001:db8::1/64\nIPV6_FAILURE_FATAL=yes\n"
        "IPV6ADDR_SECONDARIES=\"2001:db8::2/64 \\\n2001:db8::3/64\"\nNAME='a\nb'\nONBOOT=yes\n"
    )
    expected = text.replace("IPV6", "# rehost: IPV6")
    expected = expected.replace("2001:db8::3", "# rehost: 2001:db8::3")
    assert changed(IFCFG + "ifcfg-ens192", text) == expected + "IPV6_AUTOCONF=yes\n"


def test_ifcfg_with_a_quote_that_is_never_closed_is_read_line_by_line():
    text = "DEVICE=ens192\nNAME='it\nIPADDR=10.0.0.2\n"
    expected = text.replace("IPADDR", "# rehost: IPADDR") + "BOOTPROTO=dhcp\n"
    assert changed(IFCFG + "ifcfg-ens192", text) == expected


@pytest.mark.parametrize(
    "stray", ["NAME=Bob's\n", 'NAME="Bob\n', "KEY=a\\\n", "NAME=Bob's\n\n", "KEY='a\\\n"]
)
@pytest.mark.parametrize("end", ["# it's\n", 'X="\n', "# it's \"\n", "ZONE='a'\n", ""])
def test_ifcfg_stray_quotes_and_backslashes_swallow_no_assignments(stray, end):
    text = f"DEVICE=ens192\n{stray}IPADDR=192.0.2.7\nexport PREFIX=24\n{end}"
    expected = text.replace("IPADDR", "# rehost: IPADDR").replace("export", "# rehost: export")
    assert changed(IFCFG + "ifcfg-ens192", text) == expected + "BOOTPROTO=dhcp\n"


def test_ifcfg_value_whose_further_lines_have_equals_signs_is_one():
    text = (
        "DEVICE=ens192\nBONDING_OPTS='mode=1 \\\nmiimon=100\nupdelay=2'\nIPADDR=192.0.2.7\n"
        "IPV6ADDR_SECONDARIES='2001:db8::2/64\nx=2001:db8::3/64'\n"
    )
    expected = text.replace("IPADDR", "# rehost: IPADDR").replace("IPV6", "# rehost: IPV6")
    expected = expected.replace("x=2001", "# rehost: x=2001")
    assert changed(IFCFG + "ifcfg-ens192", text) == expected + "BOOTPROTO=dhcp\n"


def test_ifcfg_routes_of_a_file_that_has_another_name_and_ranges_go():
    files = {
        IFCFG + "ifcfg-Wired": f"HWADDR={MAC}\nBOOTPROTO=none\nIPADDR=192.0.2.7\n",
        IFCFG + "route-Wired": "default via 192.0.2.1\n",
        IFCFG + "ifcfg-ens192-range0": "IPADDR_START=192.0.2.10\nIPADDR_END=192.0.2.20\n",
        IFCFG + "ifcfg-eth9-range0": "IPADDR_START=192.0.3.10\nIPADDR_END=192.0.3.20\n",
    }
    found = rewritten(files, WISH)
    assert found[IFCFG + "route-Wired"] == "# rehost: default via 192.0.2.1\n"
    assert found[IFCFG + "ifcfg-ens192-range0"] is None
    assert IFCFG + "ifcfg-eth9-range0" not in found
