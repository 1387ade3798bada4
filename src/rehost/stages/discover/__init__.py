"""Discovery: what a Linux machine is, from the machine itself. It changes nothing."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from rehost.errors import FileUnreadable
from rehost.model.disk import Disk
from rehost.model.server import Facts, Hardware, OsType, Report
from rehost.stages.discover import load
from rehost.stages.discover.boot import Boot, find_boot, find_boot_loader
from rehost.stages.discover.cards import find_cards
from rehost.stages.discover.cloud_init import has_cloud_init
from rehost.stages.discover.disks import raw_devices
from rehost.stages.discover.fit import fit
from rehost.stages.discover.hardware import find_hardware
from rehost.stages.discover.identity import find_identity
from rehost.stages.discover.images import find_image
from rehost.stages.discover.storage import Storage, find_storage
from rehost.stages.discover.survey import Survey
from rehost.stages.discover.system import System, find_system
from rehost.stages.discover.tracking import find_tracking
from rehost.system.host import Host

__all__ = ["discover"]

MANUAL = "MANUAL"  # nobody but the operator starts the migration
NAME_LIMIT = 64  # characters of a name in the API


def discover(host: Host, *, agent_version: str, images: Sequence[str] = ()) -> Report:
    """Everything that can be found out; what cannot is None, with a reason in facts.missing.

    `images` are paths of further disks, which follow the machine's own.
    """
    survey = Survey(host)
    ticks = survey.attempt("facts.cpu_usage", lambda: load.read_ticks(survey))
    with ThreadPoolExecutor(max_workers=3) as pool:
        storage = pool.submit(survey.attempt, "disks", lambda: find_storage(survey))
        system = pool.submit(find_system, survey)
        booted = pool.submit(find_boot, survey)
    report = _report(survey, storage.result(), system.result(), booted.result())
    if images:
        report = replace(report, disks=(*(report.disks or ()), *_images(survey, images)))
    return fit(_finished(survey, replace(report, agent_version=agent_version), ticks))


def _images(survey: Survey, paths: Sequence[str]) -> Iterator[Disk]:
    for path in paths:
        if disk := survey.attempt(f"disks[{path}]"[:255], lambda: find_image(path)):  # noqa: B023
            yield disk


def _report(survey: Survey, storage: Storage | None, system: System, boot: Boot) -> Report:
    first = system.networks[0] if system.networks else None
    return Report(
        name=system.hostname[:NAME_LIMIT],
        hostname=system.hostname,
        os_type=OsType.LINUX,
        os_version=system.os_version,
        networks=system.networks,
        agent_version="",
        ip=(first and first.ip) or None,
        ipv6=(first and first.ipv6) or None,
        firmware=boot.firmware,
        cpu_quantity=system.processors,
        memory=system.memory,
        disks=storage.disks if storage else None,
        volume_groups=storage.volume_groups if storage else None,
        btrfs_list=storage.btrfs if storage else None,
        has_rsync=system.has_rsync,
        has_tc=system.has_tc,
        paravirtualization=system.paravirtualization,
        raw_devices=raw_devices(storage.disks) if storage else None,
        oem_system=False,  # a property of Windows
        boot_loader=survey.attempt("boot_loader", lambda: _boot_loader(survey, storage)),
        kernel_version=boot.kernel.release if boot.kernel else None,
        start_type=MANUAL,
        io_read_wait=survey.attempt("io_read_wait", lambda: _read_wait(survey, storage)),
        platform=system.platform,
        facts=_facts(survey, storage, system, boot),
    )


def _facts(survey: Survey, storage: Storage | None, system: System, boot: Boot) -> Facts:
    hardware = survey.attempt("facts.hardware", lambda: _hardware(survey, storage))
    return Facts(
        identity=find_identity(survey, hardware),
        distribution=system.distribution,
        architecture=system.architecture,
        cpu_model=system.cpu_model,
        free_memory=system.free_memory,
        root_free=survey.attempt("facts.root_free", lambda: _root_free(survey, storage)),
        hypervisor=system.hypervisor,
        vendor=system.vendor,
        product=system.product,
        boot_file=boot.boot_file,
        secure_boot=boot.secure_boot,
        lockdown=boot.lockdown,
        virtio_kernel=boot.virtio_kernel,
        virtio_initramfs=boot.virtio_initramfs,
        hardware=hardware,
        stacks=storage.stacks if storage else None,
        network_mounts=storage.network_mounts if storage else None,
        tracking=find_tracking(
            survey,
            storage.layout.blocks if storage else None,
            boot.kernel.options if boot.kernel else None,
        ),
        cards=survey.attempt("facts.cards", lambda: find_cards(survey)),
        device_names=storage.device_names if storage else None,
        root=storage.root if storage else None,
        cloud_init=survey.attempt("facts.cloud_init", lambda: has_cloud_init(survey)),
        lvm_limits=storage.lvm_limits if storage else None,
    )


def _hardware(survey: Survey, storage: Storage | None) -> tuple[Hardware, ...] | None:
    return find_hardware(survey, storage.layout) if storage else None


def _root_free(survey: Survey, storage: Storage | None) -> int:
    if storage and any(mount.mount_point == "/" for mount in storage.network_mounts):
        raise FileUnreadable("/", "it is on a server that may not answer")
    root = survey.host.space("/")
    return root.available * root.block_size


def _boot_loader(survey: Survey, storage: Storage | None) -> str:
    return find_boot_loader(survey, grub_in_mbr=bool(storage and storage.grub_in_mbr))


def _read_wait(survey: Survey, storage: Storage | None) -> float:
    disks = storage.layout.blocks.disks() if storage else []
    return load.read_wait_ms(survey, {d.name for d in disks})


def _finished(survey: Survey, report: Report, before: load.Ticks | None) -> Report:
    """The processors' load is taken over the time of the discovery itself."""
    usage = survey.attempt("facts.cpu_usage", lambda: load.usage_since(survey, before))
    facts = report.facts or Facts()
    return replace(report, facts=replace(facts, cpu_usage=usage, missing=survey.missing))
