"""netplan: addresses of cards, and which of them it names itself."""

from rehost.stages.convert.network import places, yaml_places
from rehost.stages.convert.network.addresses import explain
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.wish import MAC, Wish, normal


def change(draft: Draft, wish: Wish) -> None:
    """Cloud-init's files may hold the same description of the network."""
    for path, text in draft.texts(*places.NETPLAN, *places.CLOUD_INIT):
        try:
            nodes = list(yaml_places.scalars(yaml_places.parse(text)))
        except ValueError:
            draft.note(f"{path} is not valid YAML and was left as it is.")
            continue
        new, old = text, ""
        for node in sorted(nodes, key=lambda n: n.start_mark.index, reverse=True):
            start, stop = node.start_mark.index, node.end_mark.index
            changed = wish.replace_macs(text[start:stop])
            if changed != text[start:stop]:
                old += text[start:stop] + "\n"
                new = new[:start] + changed + new[stop:]
        draft.write(path, new, explain(path, old, wish))


def named(draft: Draft) -> dict[str, str]:
    """Interface → address, where `set-name` makes netplan keep the name."""
    found = {}
    for _, text in draft.texts(*places.NETPLAN):
        try:
            ethernets = yaml_places.get(yaml_places.parse(text), "network", "ethernets")
        except ValueError:
            continue
        for _, interface in yaml_places.pairs(ethernets):
            mac = yaml_places.word(yaml_places.get(interface, "match", "macaddress"))
            name = yaml_places.word(yaml_places.get(interface, "set-name"))
            if name and MAC.fullmatch(mac):
                found[name] = normal(mac)
    return found
