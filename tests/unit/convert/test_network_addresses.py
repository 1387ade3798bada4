import pytest

from rehost.stages.convert.network import Wish, rewrite

OLD, NEW, OTHER = "52:54:00:12:34:56", "fa:16:3e:0a:0b:0c", "00:11:22:33:44:55"
WISH = Wish(macs={OLD: NEW})


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "/etc/network/interfaces",
            f"auto eth0\niface eth0 inet static\n\taddress 10.0.0.5/24\n\thwaddress ether {OLD}\n"
            f"\tup arp -s 10.0.0.1 {OTHER}\n",
        ),
        (
            "/etc/systemd/network/10-lan.network",
            f"[Match]\nMACAddress={OTHER} {OLD}\n\n[Network]\nAddress=10.0.0.5/24\n",
        ),
        (
            "/etc/systemd/network/bond.netdev",
            f"[NetDev]\nName=bond0\nKind=bond\nMACAddress={OLD.upper()}\n",
        ),
        (
            "/etc/NetworkManager/system-connections/wired.nmconnection",
            f"[ethernet]\nmac-address={OLD.upper()}\ncloned-mac-address={OTHER}\n",
        ),
        (
            "/etc/sysconfig/network-scripts/ifcfg-eth0",
            f'DEVICE=eth0\nHWADDR="{OLD}"\nMACADDR={OTHER}\n',
        ),
        (
            "/etc/netplan/01.yaml",
            f"network: {{ethernets: {{a: {{match: {{macaddress: {OLD}}}}}}}}}",
        ),
    ],
)
def test_only_the_address_that_changes_is_changed(path: str, text: str):
    [(written, content)] = rewrite({path: text.encode()}, WISH).files.items()
    assert written == path
    assert content == text.replace(OLD, NEW).replace(OLD.upper(), NEW.upper()).encode()


def test_comments_and_longer_addresses_are_not_touched():
    text = f"# {OLD}\niface ib0 inet dhcp\n hwaddress {OLD}:aa:bb\n"
    assert rewrite({"/etc/network/interfaces": text.encode()}, WISH).files == {}


def test_each_change_is_told_with_its_file():
    [sentence] = rewrite({"/etc/network/interfaces": f"hwaddress {OLD}".encode()}, WISH).changes
    assert sentence == (
        f"/etc/network/interfaces: {OLD} is now {NEW}, the address of the card on the target."
    )


def test_addresses_that_would_change_again_are_refused():
    with pytest.raises(ValueError, match="both old and new"):
        Wish(macs={OLD: NEW, NEW: OTHER})


def test_what_is_no_text_is_noted_and_left():
    rewriting = rewrite({"/etc/network/interfaces": b"\0" + OLD.encode()}, WISH)
    assert rewriting.files == {}
    assert rewriting.notes == ("/etc/network/interfaces is not a text file and was left as it is.",)
