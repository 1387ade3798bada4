import pytest

from rehost.provider_errors import BadTargetSpec
from rehost.providers.base import Interface
from rehost.providers.qemu import network

AT_HOME = Interface(address="192.168.7.20/255.255.255.0", gateway="192.168.7.1")


def options(interface: Interface, default: str = "", *, isolated: bool = False) -> str:
    if name := network.bridge(interface, default, isolated=isolated):
        return network.on_bridge(0, name, None)
    return network.behind_host(0, interface, isolated=isolated)


@pytest.mark.parametrize(
    ("wanted", "default", "netdev"),
    [
        ("", "", "user,id=net0,restrict=off"),
        ("", "br0", "bridge,id=net0,br=br0"),
        ("user", "br0", "user,id=net0,restrict=off"),
        ("isolated", "br0", "user,id=net0,restrict=on"),
        ("bridge:br1", "br0", "bridge,id=net0,br=br1"),
    ],
)
def test_networks(wanted, default, netdev):
    assert options(Interface(network=wanted), default) == netdev


@pytest.mark.parametrize("wanted", ["", "user", "isolated", "bridge:br1"])
def test_clones_are_always_isolated(wanted):
    found = options(Interface(network=wanted), "br0", isolated=True)
    assert found == "user,id=net0,restrict=on"


@pytest.mark.parametrize(
    "wanted", ["vpc", "bridge:", "bridge:a,b", "user,restrict=off", "bridge:.\n"]
)
def test_network_that_there_is_not(wanted):
    with pytest.raises(BadTargetSpec):
        network.judge(Interface(network=wanted))


def test_guest_finds_its_gateway_and_gets_its_own_address():
    known = ",net=192.168.7.0/24,host=192.168.7.1,dns=192.168.7.254,dhcpstart=192.168.7.20"
    assert options(AT_HOME).endswith(known)
    assert options(AT_HOME, isolated=True).endswith(known)
    assert known not in options(AT_HOME, "br0")


@pytest.mark.parametrize(
    ("address", "gateway", "host", "dns"),
    [
        ("10.0.0.254/24", "", "10.0.0.253", "10.0.0.252"),
        ("10.0.0.254/24", "10.0.0.253", "10.0.0.253", "10.0.0.252"),
        ("10.0.0.5/24", "10.9.9.9", "10.0.0.254", "10.0.0.253"),
        ("10.0.0.5/24", "10.0.0.5", "10.0.0.254", "10.0.0.253"),
        ("10.0.0.5/24", "10.0.0.255", "10.0.0.254", "10.0.0.253"),
        ("10.0.0.1/29", "10.0.0.6", "10.0.0.6", "10.0.0.5"),
    ],
)
def test_gateway_and_name_server_are_others_than_the_guest(address, gateway, host, dns):
    found = options(Interface(address=address, gateway=gateway))
    assert f"host={host},dns={dns},dhcpstart={address.partition('/')[0]}" in found


@pytest.mark.parametrize(
    ("address", "gateway"),
    [("", ""), ("x", ""), ("10.0.0.1/30", "10.0.0.2"), ("10.0.0.0/24", ""), ("10.0.0.255/24", ""),
     ("1.2.3.4/0", ""), ("127.0.0.1/8", ""), ("169.254.1.1/16", ""), ("10.0.0.9/24", "none"),
     ("2001:db8::1/64", ""), ("10.0.0.9/24,restrict=off", "")],
)  # fmt: skip
def test_address_that_no_network_fits_changes_nothing(address, gateway):
    assert options(Interface(address=address, gateway=gateway)) == "user,id=net0,restrict=off"
