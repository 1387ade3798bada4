"""Cloud-init must not describe the network anew: it would do so at the first start elsewhere.

It takes the place for a new server then, and writes what that place says, or DHCP for one card, or
its old addresses, over the files that it wrote once (/etc/netplan/50-cloud-init.yaml and others).
Where its description names cards that are not there, it fails and takes the network with it.
"""

from rehost.stages.convert.network import places
from rehost.stages.convert.network.draft import Draft
from rehost.stages.convert.network.yaml_places import get, parse, word

OWN = "/etc/cloud/cloud.cfg.d/zzz-rehost-network.cfg"  # the last that is read counts
TEXT = """\
# Written by Rehost when this server was migrated: its network is configured by the files it had.
# Remove this file to let cloud-init configure it.
network:
  config: disabled
"""


def keep_out(draft: Draft) -> None:
    """Nothing where cloud-init is not, or is told so already."""
    is_there = draft.paths("/etc/cloud/cloud.cfg")
    if not is_there or draft.paths("/etc/cloud/cloud-init.disabled") or _is_disabled(draft):
        return
    draft.write(
        OWN,
        TEXT,
        f"{OWN}: cloud-init leaves the network as it is configured; on a new server it would"
        " write that anew. Remove the file to let it.",
    )


def _is_disabled(draft: Draft) -> bool:
    """The last file with a description counts, and it alone. cloud.cfg is read first."""
    main, rest = places.CLOUD_INIT[:1], places.CLOUD_INIT[1:]
    said = False
    for _, text in (*draft.texts(*main), *draft.texts(*rest)):
        try:
            network = get(parse(text), "network")
        except ValueError:
            continue
        if network is not None:
            said = word(get(network, "config")) == "disabled"
    return said
