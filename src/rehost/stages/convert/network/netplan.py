"""netplan: addresses of cards, which of them it names itself, and from static addresses to DHCP."""

import fnmatch
from collections.abc import Iterator, Mapping, Set

from yaml.nodes import MappingNode, Node, SequenceNode

from rehost.stages.convert.network import layers, places, yaml_places
from rehost.stages.convert.network.addresses import explain
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.wish import MAC, Wish, normal
from rehost.stages.convert.network.yaml_places import get, pairs, word
from rehost.stages.convert.network.yaml_text import YamlText, is_plain

VIRTUAL = ("bonds", "bridges", "vlans", "vrfs")
STATIC = ("addresses", "gateway4", "gateway6", "routes", "routing-policy")


def change(draft: Draft, wish: Wish) -> None:
    """Cloud-init's files may hold the same description of the network."""
    for path, text in draft.texts(*places.NETPLAN, *places.CLOUD_INIT):
        try:
            root = yaml_places.parse(text)
        except ValueError:
            draft.note(f"{path} is not valid YAML and was left as it is.")
            continue
        file, old = YamlText(text), ""
        for node in yaml_places.scalars(root):
            found = file.source(node)
            changed = wish.replace_macs(found)
            if changed != found:
                old += found + "\n"
                file.replace(node, changed)
        draft.write(path, file.text(), explain(path, old, wish))


def follow(draft: Draft, cards: Mapping[str, str]) -> None:
    """`match: macaddress` with `set-name`: the card is the target's. Keyfiles: the same."""
    for path, text, network in _networks(draft):
        file = YamlText(text)
        for _, interface in pairs(get(network, "ethernets")):
            name = word(get(interface, "set-name"))
            node = get(interface, "match", "macaddress")
            mac = word(node)
            if node and name in cards and MAC.fullmatch(mac) and normal(mac) != cards[name]:
                file.replace(node, f'"{cards[name]}"')
                why = f"{path}: {name} is the card with the address {cards[name]} now."
                draft.write(path, file.text(), why)


def named(draft: Draft) -> dict[str, str]:
    """Interface → address, where `set-name` makes netplan keep the name."""
    found = {}
    for _, _, network in _networks(draft):
        for _, interface in pairs(get(network, "ethernets")):
            mac = word(get(interface, "match", "macaddress"))
            name = word(get(interface, "set-name"))
            if name and MAC.fullmatch(mac):
                found[name] = normal(mac)
    return found


def upon(draft: Draft) -> Iterator[tuple[str, str]]:
    """By netplan's own names, which are the interfaces' where nothing else is said."""
    for _, _, network in _networks(draft):
        for kind in VIRTUAL:
            for name, interface in pairs(get(network, kind)):
                below = get(interface, "interfaces")
                members = below.value if isinstance(below, SequenceNode) else []
                yield from (
                    (name.value, m) for m in map(word, [*members, get(interface, "link")]) if m
                )
        for name, interface in pairs(get(network, "ethernets")):
            called = word(get(interface, "set-name"))
            if called and called != name.value:
                yield name.value, called


def to_dhcp(draft: Draft, uplinks: Set[str], cards: Mapping[str, str]) -> None:
    matched = {
        name.value
        for _, _, network in _networks(draft)
        for name, interface in pairs(get(network, "ethernets"))
        if _is_for(interface, cards)
    }
    ours = layers.upon(matched | uplinks, upon(draft))
    for path, text, network in _networks(draft):
        file, said = YamlText(text), []
        for kind in ("ethernets", *VIRTUAL):
            for name, interface in pairs(get(network, kind)):
                if name.value in ours and _static(interface):
                    said.append(name.value)
                    _switch(file, interface)
        why = f"{path}: {', '.join(said)} by DHCP; static addresses and routes are comments now."
        if said and not is_plain(text):
            draft.note(f"{path} uses YAML aliases and was not changed to DHCP.")
        elif said:
            draft.write(path, file.text(), why)


def _static(interface: Node) -> list[str]:
    """Addresses may have settings: they are the only key of a mapping then."""
    addresses = get(interface, "addresses")
    items = addresses.value if isinstance(addresses, SequenceNode) else []
    return [word(i) or next((key.value for key, _ in pairs(i)), "") for i in items]


def _switch(file: YamlText, interface: Node) -> None:
    new = {"dhcp4": "true"}
    if any(":" in address for address in _static(interface)):
        new["dhcp6"] = "true"
    nameservers = {key.value for key, _ in pairs(get(interface, "nameservers"))}
    dns = "nameservers" if nameservers == {"addresses"} else "nameservers.addresses"
    if isinstance(interface, MappingNode):
        file.change(interface, new=new, without=(*STATIC, dns))


def _is_for(interface: Node, cards: Mapping[str, str]) -> bool:
    """Whether an interface is for one of these cards, by what it matches."""
    match = get(interface, "match")
    name, mac = word(get(match, "name")), word(get(match, "macaddress"))
    if MAC.fullmatch(mac):
        return normal(mac) in cards.values()
    if name:
        return any(fnmatch.fnmatchcase(card, name) for card in cards)
    return match is not None


def _networks(draft: Draft) -> Iterator[tuple[str, str, Node]]:
    for path, text in draft.texts(*places.NETPLAN):
        try:
            network = get(yaml_places.parse(text), "network")
        except ValueError:
            draft.note(f"{path} is not valid YAML and was left as it is.")
            continue
        if network is not None:
            yield path, text, network
