from rehost.stages.convert.network import Wish, rewrite

OLD, NEW = "52:54:00:12:34:56", "fa:16:3e:00:00:01"
WISH = Wish(names={"ens3": OLD})
SYSTEMD_252 = {"/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so": b""}
SYSTEMD_237 = {"/lib/systemd/libsystemd-shared-237.so": b""}
LINK = "/etc/systemd/network/00-rehost-ens3.link"
SETTLE = "/etc/systemd/system/systemd-networkd.service.d/00-rehost.conf"
RULES = "/etc/udev/rules.d/70-rehost-net.rules"
PERSISTENT = "/etc/udev/rules.d/70-persistent-net.rules"


def content(files: dict[str, bytes], wish: Wish = WISH) -> dict[str, str | None]:
    written = rewrite(files, wish).files
    again = rewrite({**files, **{p: c for p, c in written.items() if c is not None}}, wish)
    assert again.files == {}
    return {path: None if c is None else c.decode() for path, c in written.items()}


def test_new_systemd_gets_a_link_file_for_real_hardware_with_the_address():
    text = content(SYSTEMD_252)[LINK]
    assert text is not None
    assert text.endswith(f"[Match]\nMACAddress={OLD}\nPath=*\n\n[Link]\nName=ens3\n")


def test_the_link_file_has_the_address_of_the_target():
    text = content(SYSTEMD_252, Wish(names={"ens3": OLD}, macs={OLD: NEW}))[LINK]
    assert text is not None
    assert f"MACAddress={NEW}\n" in text


def test_old_systemd_and_none_get_a_rule():
    for files in (SYSTEMD_237, {}):
        [(path, text)] = content(files).items()
        assert path == RULES
        assert text is not None
        assert f'ATTR{{address}}=="{OLD}", ATTR{{type}}=="1", NAME="ens3"\n' in text


def test_a_rule_that_is_there_already_serves():
    rule = (
        "# PCI device 0x1af4:0x1000 (virtio-pci)\n"
        f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{address}}=="{OLD}", '
        'ATTR{dev_id}=="0x0", ATTR{type}=="1", NAME="eth0"\n'
    )
    wish = Wish(names={"eth0": OLD}, macs={OLD: NEW})
    changed = content({PERSISTENT: rule.encode()}, wish)
    assert changed == {PERSISTENT: rule.replace(OLD, NEW)}


def test_a_link_file_for_the_card_is_used_and_its_settings_kept():
    path = "/etc/systemd/network/10-lan.link"
    link = f"# ours\n[Match]\nMACAddress={OLD}\n\n[Link]\nName=lan0\nMTUBytes=9000\n"
    files = {**SYSTEMD_252, path: link.encode()}
    assert content(files, Wish(names={"lan0": OLD})) == {}
    assert content(files, Wish(names={"lan0": OLD}, macs={OLD: NEW})) == {
        path: link.replace(OLD, NEW)
    }


def test_what_stands_upon_a_card_is_not_pinned():
    wish = Wish(names={"eth0": OLD, "eth0.100": OLD, "br0": OLD})
    assert set(content(SYSTEMD_252, wish)) == {"/etc/systemd/network/00-rehost-eth0.link"}


def test_netplan_that_names_the_card_is_enough():
    path = "/etc/netplan/50-cloud-init.yaml"
    text = (
        "network:\n  version: 2\n  ethernets:\n    ens3:\n      dhcp4: true  # yes\n"
        f"      match:\n        macaddress: '{OLD}'\n      set-name: ens3\n"
    )
    files = {**SYSTEMD_252, path: text.encode()}
    assert content(files) == {}
    wish = Wish(names={"ens3": OLD}, macs={OLD: NEW})
    assert content(files, wish) == {path: text.replace(OLD, NEW)}


def test_a_link_file_by_slot_is_for_the_card():
    path = "/etc/systemd/network/10-lan.link"
    link = "[Match]\nPath=pci-0000:00:03.0\n[Link]\nName=lan0\nMTUBytes=9000\n"
    expected = link.replace("Path=", f"MACAddress={OLD}\nPath=*\n# rehost: Path=")
    wish = Wish(names={"lan0": OLD})
    assert content({**SYSTEMD_252, path: link.encode()}, wish) == {path: expected}


def test_a_rule_that_names_another_way_is_overruled():
    rule = b'SUBSYSTEM=="net", ACTION=="add", KERNELS=="0000:00:03.0", NAME="ens3"\n'
    assert set(content({**SYSTEMD_252, PERSISTENT: rule})) == {LINK, RULES}


def test_a_rule_that_names_the_card_otherwise_is_overruled():
    rule = f'SUBSYSTEM=="net", ATTR{{address}}=="{OLD}", NAME="other"\n'.encode()
    assert set(content({**SYSTEMD_252, PERSISTENT: rule})) == {LINK, RULES}
    assert set(content({PERSISTENT: rule})) == {RULES}


def test_what_is_told_by_slot_or_driver_is_noted():
    files = {
        "/etc/systemd/network/a.network": b"[Match]\nDriver=vmxnet3\n",
        "/etc/netplan/a.yaml": b"network: {ethernets: {a: {match: {driver: ixgbe}}}}",
    }
    notes = rewrite(files, WISH).notes
    assert ["Driver=vmxnet3" in notes[0], "driver: ixgbe" in notes[1]] == [True, True]


def test_interfaces_that_name_their_card_get_the_targets():
    cloned = "00:11:22:33:44:55"  # what the source's card had below its cloned address
    keyfile = "/etc/NetworkManager/system-connections/a"
    ifcfg = "/etc/sysconfig/network-scripts/ifcfg-ens3"
    netplan = "/etc/netplan/a.yaml"
    files = {
        keyfile: f"[connection]\ninterface-name=ens3\n[ethernet]\nmac-address={cloned}\n"
        f"cloned-mac-address={OLD}\n",
        ifcfg: f"HWADDR={cloned}\nMACADDR={OLD}\n",
        netplan: f"network: {{ethernets: {{a: {{match: {{macaddress: '{cloned}'}}, "
        "set-name: ens3}}}\n",
    }
    changed = content({**SYSTEMD_252, **{path: text.encode() for path, text in files.items()}})
    assert changed == {
        path: text.replace(cloned, OLD).replace(f"'{OLD}'", f'"{OLD}"')
        for path, text in files.items()
    }


def test_a_link_file_for_all_cards_would_go_first_and_does_not():
    path = "/etc/systemd/network/10-wol.link"
    for match in ("OriginalName=*", "Driver=virtio_net"):
        files = {**SYSTEMD_252, path: f"[Match]\n{match}\n[Link]\nWakeOnLan=off\n".encode()}
        rewriting = rewrite(files, WISH)
        assert set(rewriting.files) == {LINK}
        assert f"{LINK} goes before {path}: what that sets for ens3" in "".join(rewriting.notes)


def test_a_link_file_behind_systemds_own_is_not_enough():
    path = "/etc/systemd/network/99-lan.link"
    link = f"[Match]\nMACAddress={OLD}\n[Link]\nName=ens3\n"
    assert set(content({**SYSTEMD_252, path: link.encode()})) == {LINK}


def test_of_azures_two_cards_with_one_address_the_one_in_front_is_pinned():
    wish = Wish(names={"eth0": OLD, "enP5432s1": OLD})
    assert set(content(SYSTEMD_252, wish)) == {"/etc/systemd/network/00-rehost-eth0.link"}


def test_two_cards_with_one_address_are_noted_and_not_pinned():
    rewriting = rewrite(SYSTEMD_252, Wish(names={"eth0": OLD, "eth1": OLD}))
    assert rewriting.files == {}
    assert rewriting.notes == (f"eth0, eth1 have one address, {OLD}: none was tied to its name.",)


def test_networkd_takes_up_interfaces_once_they_have_their_names():
    networkd = {"/etc/systemd/network/lan.network": b"[Match]\nName=ens3\n[Network]\nDHCP=yes\n"}
    ifupdown = {"/etc/network/interfaces": b"auto ens3\niface ens3 inet dhcp\n"}
    written = content({**SYSTEMD_252, **networkd})[SETTLE]
    assert written is not None
    assert "After=systemd-udev-settle.service" in written
    assert SETTLE not in content({**SYSTEMD_252, **ifupdown})


def test_a_rule_that_asks_for_more_than_the_address_may_not_serve():
    for more in ('KERNELS=="0000:0b:00.0"', 'DRIVERS=="vmxnet3"', 'KERNEL=="eth*"'):
        rule = f'SUBSYSTEM=="net", ACTION=="add", {more}, ATTR{{address}}=="{OLD}", NAME="ens3"\n'
        assert set(content({**SYSTEMD_237, PERSISTENT: rule.encode()})) == {RULES}
    rule = f'SUBSYSTEM=="net", DRIVERS=="?*", ATTR{{address}}=="{OLD}", NAME="ens3"\n'
    assert content({**SYSTEMD_237, PERSISTENT: rule.encode()}) == {}


def test_a_link_file_by_address_and_slot_is_for_the_card_by_its_address():
    path = "/etc/systemd/network/10-lan.link"
    for slot in ("Path=pci-0000:0b:00.0", "Driver=vmxnet3"):
        link = f"[Match]\nMACAddress={OLD}\n{slot}\n[Link]\nName=ens3\nMTUBytes=9000\n"
        expected = link.replace("[Match]\n", "[Match]\nPath=*\n").replace(slot, f"# rehost: {slot}")
        assert content({**SYSTEMD_252, path: link.encode()}) == {path: expected}


def test_a_link_file_for_two_addresses_keeps_its_slot():
    path = "/etc/systemd/network/10-lan.link"
    link = f"[Match]\nMACAddress={OLD} {NEW}\nPath=pci-0\n[Link]\nName=ens3\n"
    assert set(content({**SYSTEMD_252, path: link.encode()})) == {LINK}


def test_a_link_file_that_asks_for_more_than_the_address_may_not_serve():
    path = "/etc/systemd/network/10-lan.link"
    for more in ("Virtualization=vmware", "Host=db1", "Property=ID_NET_DRIVER=vmxnet3"):
        link = f"[Match]\nMACAddress={OLD}\n{more}\n[Link]\nName=ens3\n"
        rewriting = rewrite({**SYSTEMD_252, path: link.encode()}, WISH)
        assert set(rewriting.files) == {LINK}
        assert "goes before" in "".join(rewriting.notes)


def test_a_link_file_that_would_hide_ours_gets_a_rule_before_it():
    for match in ("OriginalName=*", f"MACAddress={OLD}\nVirtualization=vmware"):
        link = f"[Match]\n{match}\n[Link]\nNamePolicy=slot path\n".encode()
        changed = content({**SYSTEMD_252, "/etc/systemd/network/00-default.link": link})
        assert changed.keys() == {RULES}
        assert f'ATTR{{address}}=="{OLD}"' in (changed[RULES] or "")


def test_netplan_that_asks_for_a_driver_too_is_told_the_card_by_its_address():
    path = "/etc/netplan/a.yaml"
    text = (
        "network:\n  ethernets:\n    lan:\n      match:\n        driver: vmxnet3\n"
        f"        macaddress: '{OLD}'\n      set-name: ens3\n"
    )
    expected = text.replace("driver:", "# rehost: driver:")
    assert content({**SYSTEMD_252, path: text.encode()}) == {path: expected}
    braces = f"network: {{ethernets: {{lan: {{match: {{macaddress: '{OLD}', driver: [a, b]}}, "
    braces += "set-name: ens3}}}\n"
    expected = braces.replace(", driver: [a, b]", "")
    assert content({**SYSTEMD_252, path: braces.encode()}) == {path: expected}


def test_netplan_that_asks_for_the_old_name_too_does_not_keep_it():
    path = "/etc/netplan/a.yaml"
    text = (
        f"network: {{ethernets: {{lan: {{match: {{macaddress: '{OLD}', name: 'enp11*'}}, "
        "set-name: ens3}}}\n"
    )
    assert LINK in content({**SYSTEMD_252, path: text.encode()})


def test_netplan_s_own_names_are_no_interfaces():
    path = "/etc/netplan/a.yaml"
    text = f"network: {{ethernets: {{eth0: {{match: {{macaddress: '{OLD}'}}, set-name: lan0}}}}}}\n"
    wish = Wish(names={"lan0": OLD, "eth0": NEW})
    own = "/etc/systemd/network/00-rehost-eth0.link"
    assert own in content({**SYSTEMD_252, path: text.encode()}, wish)
