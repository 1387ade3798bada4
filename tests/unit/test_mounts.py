import pytest

from rehost.stages.discover.mounts import parse_mountinfo, parse_swaps

LINE = "29 1 254:1 /@home /mnt/back\\040up rw,noatime shared:1 - {} {} rw,subvol=/@home\n"


def test_escaped_characters_are_plain():
    [mount] = parse_mountinfo(LINE.format("ext4", "/dev/vda1"))
    assert (mount.point, mount.root) == ("/mnt/back up", "/@home")
    assert list(parse_swaps("Filename Type\n/swap\\040file file 1 0 -2\n")) == ["/swap file"]


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_network_filesystems(kind):
    [mount] = parse_mountinfo(LINE.format(kind, "server:/"))
    assert mount.is_network


@pytest.mark.parametrize("kind", ["ext4", "tmpfs", "fusectl", "fuse.lxcfs", "fuseblk"])
def test_what_is_not_on_a_network(kind):
    [mount] = parse_mountinfo(LINE.format(kind, "none"))
    assert not mount.is_network
