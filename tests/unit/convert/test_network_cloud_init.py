import pytest

from rehost.stages.convert.network import Wish
from tests.unit.convert.guest import MAC, rewritten

OWN = "/etc/cloud/cloud.cfg.d/zzz-rehost-network.cfg"
CONFIG = {"/etc/cloud/cloud.cfg": "users: [default]\n"}
WISH = Wish(names={"ens3": MAC})


def test_it_is_kept_from_the_network():
    assert "config: disabled" in (rewritten(CONFIG, WISH)[OWN] or "")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/cloud/cloud.cfg.d/subiquity-disable.cfg", "network: {config: disabled}\n"),
        ("/etc/cloud/cloud-init.disabled", ""),
    ],
)
def test_where_that_is_said_already_nothing_is_written(path: str, text: str):
    assert rewritten({**CONFIG, path: text}, WISH) == {}


def test_a_description_that_is_in_force_is_overruled():
    curtin = "network: {version: 1, config: [{type: physical, name: ens3}]}\n"
    assert OWN in rewritten({**CONFIG, "/etc/cloud/cloud.cfg.d/50-curtin.cfg": curtin}, WISH)


def test_nothing_without_cloud_init_or_without_a_wish():
    assert rewritten({}, WISH) == {}
    assert rewritten(CONFIG, Wish()) == {}


OFF = "network: {config: disabled}\n"
ON = "network: {config: [{type: physical, name: ens3}]}\n"
FOLDER = "/etc/cloud/cloud.cfg.d/"


@pytest.mark.parametrize(
    ("files", "is_off"),
    [
        ({"/etc/cloud/cloud.cfg": OFF}, True),
        ({"/etc/cloud/cloud.cfg": OFF, FOLDER + "05_logging.cfg": "output: {}\n"}, True),
        ({"/etc/cloud/cloud.cfg": OFF, FOLDER + "05_net.cfg": ON}, False),
        ({**CONFIG, FOLDER + "50-off.cfg": OFF, FOLDER + "99_net.cfg": ON}, False),
        ({**CONFIG, FOLDER + "50-on.cfg": ON, FOLDER + "99_off.cfg": OFF}, True),
        ({**CONFIG, FOLDER + "99_net.cfg": "network: {version: 2}\n"}, False),
    ],
)
def test_the_last_description_counts_and_ours_is_the_last(files: dict[str, str], is_off: bool):
    changed = rewritten(files, WISH)
    assert changed.keys() == (set() if is_off else {OWN})
    assert max(path.rpartition("/")[2] for path in [*files, OWN]) == OWN.rpartition("/")[2]
