"""The service that swaps names, with real interfaces in a network namespace of its own."""

import subprocess
from pathlib import Path

import pytest

from rehost.stages.convert.network import Wish, rewrite
from rehost.stages.convert.network.swaps import SCRIPT, UNIT, WANT

FIRST, SECOND, THIRD = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
SYSTEMD = {"/usr/lib/systemd/systemd": b""}
IS_CARD = '[ -e "$there/device" ] || continue\n'  # nothing made here has hardware


def written(names: dict[str, str]) -> dict[str, bytes | None]:
    return dict(rewrite(SYSTEMD, Wish(names=names)).files)


def test_one_card_needs_no_service_and_several_do():
    assert {SCRIPT, UNIT, WANT} & set(written({"eth0": FIRST})) == set()
    assert {SCRIPT, UNIT, WANT} < set(written({"eth0": FIRST, "eth1": SECOND}))


def test_nothing_where_there_is_no_systemd():
    assert SCRIPT not in rewrite({}, Wish(names={"eth0": FIRST, "eth1": SECOND})).files


@pytest.mark.needs("root", "unshare", "ip")
@pytest.mark.parametrize(
    ("there", "more"),
    [
        ({"eth0": FIRST, "eth1": SECOND, "eth2": THIRD}, ""),
        ({"eth0": SECOND, "eth1": FIRST, "eth2": THIRD}, ""),
        ({"eth0": SECOND, "eth1": THIRD, "eth2": FIRST}, ""),
        ({"ens1": FIRST, "ens2": SECOND, "ens3": THIRD}, ""),
        (
            {"ens1": FIRST, "eth1": SECOND, "ens3": THIRD},
            "ip link property add dev ens3 altname eth0",
        ),
        (
            {"ens1": FIRST, "ens2": SECOND, "ens3": THIRD},
            "ip link property add dev ens1 altname eth0",
        ),
        ({"ens1": FIRST, "ens2": SECOND, "ens3": THIRD}, "ip link add eth1 type veth"),
    ],
)
def test_each_card_gets_its_name_whoever_has_it(tmp_path: Path, there: dict[str, str], more: str):
    names = {"eth0": FIRST, "eth1": SECOND, "eth2": THIRD}
    script = tmp_path / "names"
    script.write_text((written(names)[SCRIPT] or b"").decode().replace(IS_CARD, ""))
    make = "\n".join(
        f"ip link add {name} address {mac} type veth peer name peer{number}"
        for number, (name, mac) in enumerate(there.items())
    )
    show = "for i in eth0 eth1 eth2; do echo $i $(cat /sys/class/net/$i/address); done"
    steps = f"set -e; mount -t sysfs sysfs /sys\n{make}\n{more}\nsh {script}\n{show}"
    done = subprocess.run(
        ["unshare", "-mn", "sh", "-c", steps],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert dict(line.split() for line in done.stdout.splitlines()) == names
