"""netplan: addresses of cards, which of them it names itself, and from static addresses to DHCP."""

import fnmatch
from collections.abc import Iterator, Mapping, Set

from yaml.nodes import MappingNode, Node, SequenceNode

from rehost.stages.convert.network import places, yaml_places
from rehost.stages.convert.network.addresses import explain
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.layers import LEFT
from rehost.stages.convert.network.wish import MAC, Wish, normal
from rehost.stages.convert.network.yaml_places import get, pairs, word
from rehost.stages.convert.network.yaml_text import YamlText, is_plain

VIRTUAL = ("bonds", "bridges", "vlans", "vrfs")
STATIC = ("addresses", "gateway4", "gateway6", "routes", "routing-policy")
NO = frozenset({"false", "no", "off", "n"})


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


def drop_drivers(draft: Draft, cards: Mapping[str, str]) -> None:
    """A card that is told by its address needs no driver, which is another one on the target."""
    for path, text, network in _networks(draft):
        file, said = YamlText(text), []
        for name, interface in pairs(get(network, "ethernets")):
            match = get(interface, "match")
            mac = word(get(match, "macaddress"))
            is_card = MAC.fullmatch(mac) and normal(mac) in cards.values()
            if is_card and isinstance(match, MappingNode) and get(match, "driver"):
                file.change(match, new={}, without=("driver",))
                said.append(name.value)
        if said and is_plain(text):
            why = f"{path}: {', '.join(said)} is told by its address, as its driver is another now."
            draft.write(path, file.text(), why)


def named(draft: Draft) -> dict[str, str]:
    """Interface → address, where `set-name` makes netplan keep the name on any hardware."""
    found = {}
    for _, _, network in _networks(draft):
        for _, interface in pairs(get(network, "ethernets")):
            match = get(interface, "match")
            mac = word(get(match, "macaddress"))
            name = word(get(interface, "set-name"))
            alone = {key.value for key, _ in pairs(match)} == {"macaddress"}
            if name and alone and MAC.fullmatch(mac):
                found[name] = normal(mac)
    return found


def upon(draft: Draft, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is below is told by netplan's own names, which need not be the interfaces'."""
    called = {name: _called(name, nodes, known) for name, nodes in _ethernets(draft).items()}
    for _, _, network in _networks(draft):
        for kind in VIRTUAL:
            for name, interface in pairs(get(network, kind)):
                below = get(interface, "interfaces")
                members = below.value if isinstance(below, SequenceNode) else []
                for member in filter(None, map(word, [*members, get(interface, "link")])):
                    yield from ((name.value, real) for real in called.get(member, (member,)))


def to_dhcp(draft: Draft, uplinks: Set[str], cards: Mapping[str, str]) -> None:
    """What is said of an interface may be in several files."""
    ethernets = _ethernets(draft)
    ours = {n for n, nodes in ethernets.items() if uplinks & _called(n, nodes, cards)} | (
        uplinks - ethernets.keys()
    )
    nodes = [pair for _, _, network in _networks(draft) for pair in _interfaces(network)]
    static = {name: [a for n, node in nodes if n == name for a in _static(node)] for name in ours}
    for path, text, network in _networks(draft):
        file, said = YamlText(text), []
        for name, interface in _interfaces(network):
            if static.get(name) and _switch(file, interface, static[name]):
                said.append(name)
            elif name not in ours and _static(interface):
                draft.note(LEFT.format(path, name))
        why = f"{path}: {', '.join(said)} by DHCP; static addresses and routes are comments now."
        if said and not is_plain(text):
            draft.note(f"{path} uses YAML aliases and was not changed to DHCP.")
        elif said:
            draft.write(path, file.text(), why)


def _interfaces(network: Node) -> Iterator[tuple[str, Node]]:
    for kind in ("ethernets", *VIRTUAL):
        yield from ((name.value, node) for name, node in pairs(get(network, kind)))


def _ethernets(draft: Draft) -> dict[str, list[Node]]:
    """By netplan's own names: all that the files say of each."""
    found: dict[str, list[Node]] = {}
    for _, _, network in _networks(draft):
        for name, interface in pairs(get(network, "ethernets")):
            found.setdefault(name.value, []).append(interface)
    return found


def _called(name: str, nodes: list[Node], known: Mapping[str, str]) -> Set[str]:
    """The interfaces that an entry is for, of those that are known."""
    names = {word(get(node, "set-name")) for node in nodes} - {""}
    matches = [match for node in nodes if (match := get(node, "match")) is not None]
    fitting = {card for card, mac in known.items() if any(_fits(m, card, mac) for m in matches)}
    return names | fitting if matches else {name}


def _fits(match: Node, card: str, mac: str) -> bool:
    """A driver, which nobody knows here, may be any card's."""
    name, address = word(get(match, "name")), word(get(match, "macaddress"))
    if MAC.fullmatch(address):
        return normal(address) == mac
    return fnmatch.fnmatchcase(card, name) if name else True


def _static(interface: Node) -> list[str]:
    """Addresses may have settings: they are the only key of a mapping then."""
    addresses = get(interface, "addresses")
    items = addresses.value if isinstance(addresses, SequenceNode) else []
    return [word(i) or next((key.value for key, _ in pairs(i)), "") for i in items]


def _switch(file: YamlText, interface: Node, static: list[str]) -> bool:
    """Whether there was anything to change. `static` are all addresses, in whatever file."""
    if not isinstance(interface, MappingNode):
        return False
    there = {key.value: value for key, value in pairs(interface)}
    is_ipv6 = any(":" in address for address in static)
    new = {"dhcp4": "true", **({"dhcp6": "true"} if is_ipv6 else {})}
    if "addresses" not in there:  # that is in another file, where it is said
        new = {key: value for key, value in new.items() if key in there}
    nameservers = {key.value for key, _ in pairs(there.get("nameservers"))}
    dns = "nameservers" if nameservers == {"addresses"} else "nameservers.addresses"
    silent = is_ipv6 and word(there.get("accept-ra")).lower() in NO
    gone = (*STATIC, dns, *(("accept-ra",) if silent else ()))
    if not (new or "addresses" in nameservers or there.keys() & set(gone)):
        return False
    if not there.keys() - set(gone):  # netplan refuses an entry of comments, and all else with it
        new = {"dhcp4": "true", **new}
    file.change(interface, new=new, without=gone)
    return True


def _networks(draft: Draft) -> Iterator[tuple[str, str, Node]]:
    for path, text in draft.texts(*places.NETPLAN):
        try:
            network = get(yaml_places.parse(text), "network")
        except ValueError:
            draft.note(f"{path} is not valid YAML and was left as it is.")
            continue
        if network is not None:
            yield path, text, network
