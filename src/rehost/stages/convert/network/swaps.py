"""Names that other cards have when the guest starts: udev cannot swap names.

The kernel calls cards eth0, eth1 in the order it finds them, and an initramfs with another naming,
or none of ours, calls them by their slots. If a card shall have a name that another has at that
moment, udev says "File exists" and leaves both as they are. So where there are several cards, a
service looks after udev is done, before any network is configured, and swaps what is wrong.
"""

from collections.abc import Mapping

from rehost.stages.convert.network import places
from rehost.stages.convert.network.draft import Draft

SCRIPT = "/etc/systemd/rehost-net-names"
UNIT = "/etc/systemd/system/rehost-net-names.service"
WANT = "/etc/systemd/system/sysinit.target.d/rehost-net-names.conf"
HEAD = "# Written by Rehost when this server was migrated: each card keeps its name.\n"
UNIT_TEXT = f"""{HEAD}
[Unit]
Description=Names of network interfaces as before the migration
DefaultDependencies=no
After=systemd-udevd.service systemd-udev-trigger.service
Before=network-pre.target sysinit.target
Wants=network-pre.target

[Service]
Type=oneshot
ExecStart=/bin/sh {SCRIPT}
"""
WANT_TEXT = f"{HEAD}[Unit]\nWants=rehost-net-names.service\n"
# A card that is up is in use already, for the root filesystem it may be: it keeps its name, as
# older kernels refuse to rename it. A rename makes no event "add", which programs wait for.
SCRIPT_TEXT = """\
#!/bin/sh
{head}\
# udev gives names one by one and cannot swap them. What it has done is mended here.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
net=/sys/class/net

cards() {{
    cat <<'END'
{cards}END
}}

# The interface of the card with this address.
card() {{
    for there in $net/*; do
        [ -e "$there/device" ] || continue
        if [ "$(cat "$there/address")" = "$1" ]; then echo "${{there##*/}}"; fi
    done
}}

# Who has this name, as its own or as another one.
holder() {{
    ip -o link show dev "$1" 2>/dev/null | sed 's/^[0-9]*: \\([^:@]*\\).*/\\1/'
}}

udevadm settle --timeout=30

number=0
cards | while read -r mac name; do
    number=$((number + 1))
    now=$(card "$mac")
    if [ -n "$now" ] && [ "$now" != "$name" ]; then ip link set dev "$now" name "rehost$number"; fi
done

number=0
cards | while read -r mac name; do
    number=$((number + 1))
    now=$(card "$mac")
    if [ -z "$now" ] || [ "$now" = "$name" ]; then continue; fi
    other=$(holder "$name")
    if [ "$other" = "$name" ]; then
        ip link set dev "$name" name "other$number"
    elif [ -n "$other" ]; then
        ip link property del dev "$other" altname "$name"
    fi
    ip link set dev "$now" name "$name" && udevadm trigger --action=add "$net/$name"
done
"""


def mend(draft: Draft, names: Mapping[str, str]) -> None:
    """`names`: interface → address on the target."""
    if len(names) < 2 or not draft.paths(*places.SYSTEMD):
        return
    cards = "".join(f"{mac} {name}\n" for name, mac in sorted(names.items()))
    why = (
        f"{UNIT}: {', '.join(sorted(names))} get their names also where another card has them first"
        ", which udev cannot do."
    )
    draft.write(SCRIPT, SCRIPT_TEXT.format(head=HEAD, cards=cards), why)
    draft.write(UNIT, UNIT_TEXT, why)
    draft.write(WANT, WANT_TEXT, why)
