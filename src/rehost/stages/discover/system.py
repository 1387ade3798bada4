"""The system that runs on the machine: its name, distribution, size and surroundings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from rehost.model.server import Network, Platform
from rehost.stages.discover import load, networks, platform
from rehost.stages.discover.os_version import os_version, read_os_release
from rehost.stages.discover.survey import Survey

T = TypeVar("T")

UNNAMED = "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """As in Report and Facts of the model: None is not known."""

    hostname: str
    os_version: str
    distribution: str | None
    architecture: str | None
    networks: tuple[Network, ...]
    processors: int | None
    cpu_model: str | None
    memory: int | None
    free_memory: int | None
    has_rsync: bool
    has_tc: bool
    paravirtualization: bool | None
    platform: Platform | None
    hypervisor: str | None
    vendor: str | None
    product: str | None


def find_system(survey: Survey) -> System:
    def ask(fact: str, question: Callable[[], T]) -> T | None:
        return survey.attempt(fact, question)

    release = ask("facts.distribution", lambda: read_os_release(survey))
    machine = ask("facts.architecture", lambda: survey.host.run(["uname", "-m"]).strip())
    cpu = ask("cpu_quantity", lambda: load.processors(survey))
    memory = ask("memory", lambda: load.memory(survey))
    dmi = ask("platform", lambda: platform.read_dmi(survey))
    return System(
        hostname=ask("hostname", lambda: survey.text("/proc/sys/kernel/hostname")) or UNNAMED,
        os_version=os_version(survey, release or {}, machine or ""),
        distribution=release.get("PRETTY_NAME", "") if release else None,
        architecture=machine,
        networks=ask("networks", lambda: networks.find_networks(survey)) or (),
        processors=cpu[0] if cpu else None,
        cpu_model=cpu[1] if cpu else None,
        memory=memory[0] if memory else None,
        free_memory=memory[1] if memory else None,
        has_rsync=survey.host.which("rsync") is not None,
        has_tc=survey.host.which("tc") is not None,
        paravirtualization=ask("paravirtualization", lambda: platform.is_paravirtualized(survey)),
        platform=platform.platform_of(dmi) if dmi else None,
        hypervisor=ask("facts.hypervisor", lambda: platform.find_hypervisor(survey, dmi))
        if dmi
        else None,
        vendor=dmi.vendor if dmi else None,
        product=dmi.product if dmi else None,
    )
