from typing import Any

import msgspec
import pytest

from rehost.control import wishes
from rehost.control.wishes import GIB, WantedNetwork, read
from rehost.provider_errors import BadTargetSpec

NIC = {"id": "autoCreate", "name": "n"}
DISK = {"index": 0, "name": "system", "disktype": "SAS", "size": 40}


def template(**fields: Any) -> str:
    return msgspec.json.encode({"name": "t", **fields}).decode()


@pytest.mark.parametrize(
    ("flavor", "cpus", "gib"),
    [
        ("s6.small.1", 1, 1),
        ("s6.medium.2", 1, 2),
        ("s6.large.2", 2, 4),
        ("c3ne.xlarge.4", 4, 16),
        ("c6.4xlarge.4", 16, 64),
        ("Sit3.16xlarge.8", 64, 512),
        ("x1.8u.16g", 8, 16),
        ("4cpu-8gib", 4, 8),
    ],
)
def test_flavors(flavor, cpus, gib):
    assert wishes.size(flavor) == (cpus, gib * GIB)


@pytest.mark.parametrize(
    "flavor",
    ["small", "s6.large", "s6.large.0", "s6.0xlarge.2", "s6.2large.2", "0cpu-1gib", "1cpu-0gib",
     "s6.large.2\n", "s6.9999xlarge.2", "4cpu-8gb", "physical.s4.medium"],
)  # fmt: skip
def test_flavor_that_is_not_known_is_told_with_those_that_are(flavor):
    with pytest.raises(BadTargetSpec, match=r"4cpu-8gib.*s6\.xlarge\.2"):
        read(template(flavor=flavor))


def test_empty_template_wants_nothing():
    assert read(template()) == wishes.Wishes()
    assert read(template(flavor="", vpc={"id": "autoCreate"}, nics=[])) == wishes.Wishes()


def test_networks_are_the_interfaces_else_the_vpcs():
    found = read(template(vpc={"id": "isolated"}, nics=[NIC, NIC | {"id": "bridge:br0"}]))
    assert [found.interface(n).network for n in range(3)] == ["isolated", "bridge:br0", "isolated"]


@pytest.mark.parametrize("name", ["c0ffee-subnet", "bridge:", "bridge:a/b", "bridge:a,b", "User"])
def test_network_that_there_is_not_is_told(name):
    with pytest.raises(BadTargetSpec, match=r"nics\[0\]\.id.*bridge:NAME"):
        read(template(nics=[NIC | {"id": name}]))
    with pytest.raises(BadTargetSpec, match=r"vpc\.id"):
        read(template(vpc={"id": name}))


def test_address_of_an_interface():
    nic = NIC | {"ip": "192.0.2.7", "cidr": "192.0.2.0/24"}
    assert read(template(nics=[nic])).networks == (WantedNetwork(address="192.0.2.7/24"),)
    assert read(template(nics=[NIC | {"ip": "192.0.2.7"}])).networks == (WantedNetwork(),)
    for wrong in ({"ip": "198.51.100.1"}, {"ip": "x"}, {"cidr": "192.0.2.7/24"}):
        with pytest.raises(BadTargetSpec, match=r"nics\[0\]\.ip"):
            read(template(nics=[nic | wrong]))


def test_disks_are_found_by_name_else_by_number():
    disks = [DISK, DISK | {"index": 1, "name": "/dev/vdc", "size": 80}]
    found = read(template(disk=disks))
    assert found.disk_size("/dev/vda", 0) == 40 * GIB
    assert found.disk_size("/dev/vdc", 2) == 80 * GIB
    assert found.disk_size("/dev/vdz", 9) == 0
