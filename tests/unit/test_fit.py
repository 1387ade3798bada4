from typing import Any

import msgspec

from rehost.contract.codec import encode
from rehost.model.disk import Disk, Partition
from rehost.model.server import Facts, Missing, Network, OsType, Report
from rehost.stages.discover.fit import fit


def report(**changes):
    return Report(
        name="n",
        os_type=OsType.LINUX,
        os_version="DEBIAN_12_64BIT",
        networks=(Network(mac="52:54:00:00:00:01"),),
        agent_version="1",
        **changes,
    )


def test_what_fits_stays_as_it_is():
    given = report(hostname="h" * 255, facts=Facts(vendor="v"))
    assert fit(given) == given


def test_a_long_text_costs_its_own_field_and_is_named():
    deep = Partition(name="/dev/vda1", mount_point="/" + "d" * 255)
    given = report(
        disks=(Disk(name="/dev/vda", physical_volumes=(deep, deep)),),
        facts=Facts(hypervisor="x" * 700, vendor="v", missing=(Missing(fact="a", reason="b"),)),
    )
    found: Any = fit(given)
    assert found.disks[0].physical_volumes[0] == Partition(name="/dev/vda1")
    assert (found.facts.hypervisor, found.facts.vendor) == (None, "v")
    assert [m.fact for m in found.facts.missing] == [
        "a",
        "disks[].physical_volumes[].mount_point",
        "facts.hypervisor",
    ]
    assert "256" in found.facts.missing[1].reason
    assert "255" in found.facts.missing[1].reason


def test_what_must_be_there_is_cut():
    found: Any = fit(report(facts=Facts(missing=(Missing(fact="f", reason="r" * 5000),))))
    assert found.facts.missing == (Missing(fact="f", reason="r" * 1024),)


def test_the_service_takes_what_was_fitted():
    given = report(
        hostname="h" * 999,
        boot_loader="b" * 999,
        facts=Facts(product="p" * 999, lockdown="l" * 999),
    )
    msgspec.convert(encode(fit(given)), Report)
