"""btrfs filesystems: their superblocks, and what the btrfs tool says of mounted ones."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from rehost.model.disk import Btrfs, BtrfsSubvolume
from rehost.stages.discover.blocks import Block
from rehost.stages.discover.fillings import Filling, Layout
from rehost.stages.discover.mounts import Mount
from rehost.stages.discover.survey import Survey
from rehost.storage import btrfs

T = TypeVar("T")

FACT = "btrfs_list[]"


def find_btrfs(
    survey: Survey, layout: Layout, fillings: Mapping[str, Filling]
) -> tuple[Btrfs, ...]:
    devices: dict[str, list[Block]] = {}
    for name, filling in fillings.items():
        if filling.file_system == "btrfs":
            devices.setdefault(filling.uuid or name, []).append(layout.blocks.all[name])
    return tuple(_Look(survey, layout, found).report() for found in devices.values())


class _Look:
    """At one filesystem. What only a mounted one tells is None if it is not mounted."""

    def __init__(self, survey: Survey, layout: Layout, devices: list[Block]) -> None:
        self._survey = survey
        self._devices = devices
        self._mounts: list[Mount] = [
            m for d in devices for m in layout.mounts.by_device.get(d.name, [])
        ]

    def report(self) -> Btrfs:
        on_disk = self._survey.attempt(f"{FACT}.nodesize", self._superblock)
        usages = self._tool("data_profile", self._usages)
        subvolumes = self._tool("subvolumn", self._subvolumes)
        default_id, default_path = self._tool("default_subvolid", self._default) or (None, None)
        # The tool may tell a path from the mounted subvolume.
        default_path = _path(default_id, subvolumes) or default_path
        return Btrfs(
            name=self._devices[0].path,
            label=on_disk.label if on_disk else None,
            uuid=on_disk.uuid if on_disk else None,
            device=";".join(d.path for d in self._devices),
            size=on_disk.size if on_disk else sum(d.size for d in self._devices),
            nodesize=on_disk.nodesize if on_disk else None,
            sectorsize=on_disk.sectorsize if on_disk else None,
            data_profile=_profile(usages, "data"),
            system_profile=_profile(usages, "system")
            or (on_disk.system_profile if on_disk else None),
            metadata_profile=_profile(usages, "metadata"),
            global_reserve1=_profile(usages, "globalreserve"),
            g_vol_used_size=on_disk.used if on_disk else _used(usages),
            default_subvolid=default_id,
            default_subvol_name=default_path,
            default_subvol_mountpath=None
            if default_path is None
            else self._mount_point(default_path),
            subvolumn=subvolumes,
        )

    def _superblock(self) -> btrfs.Superblock:
        path = self._devices[0].path
        return btrfs.parse_superblock(
            self._survey.host.read(path, offset=btrfs.OFFSET, size=btrfs.SIZE)
        )

    def _tool(self, field: str, ask: Callable[[str], T]) -> T | None:
        """What the btrfs tool says of the filesystem, by its mount point."""
        if not self._mounts:
            self._survey.miss(f"{FACT}.{field}", f"{self._devices[0].path} is not mounted")
            return None
        return self._survey.attempt(f"{FACT}.{field}", lambda: ask(self._mounts[0].point))

    def _usages(self, point: str) -> list[btrfs.Usage]:
        printed = self._survey.host.run(["btrfs", "filesystem", "df", "-b", point])
        return list(btrfs.parse_df(printed))

    def _default(self, point: str) -> tuple[str, str]:
        return btrfs.parse_default(
            self._survey.host.run(["btrfs", "subvolume", "get-default", point])
        )

    def _subvolumes(self, point: str) -> tuple[BtrfsSubvolume, ...]:
        printed = self._survey.host.run(["btrfs", "subvolume", "list", "-p", "-q", "-u", point])
        asked = self._survey.host.run(["btrfs", "inspect-internal", "rootid", point]).strip()
        return tuple(
            BtrfsSubvolume(
                uuid=s.uuid,
                is_snapshot="true" if s.is_snapshot else "false",
                subvol_id=s.id,
                parent_id=s.parent_id,
                subvol_name=s.path,
                subvol_mount_path=self._mount_point(s.path),
            )
            for s in btrfs.from_top_level(btrfs.parse_subvolumes(printed), asked)
        )

    def _mount_point(self, path: str) -> str:
        """Where the subvolume of this path is mounted; "" if it is not."""
        return next((m.point for m in self._mounts if m.root == f"/{path}"), "")


def _path(subvolume_id: str | None, known: tuple[BtrfsSubvolume, ...] | None) -> str | None:
    return next((s.subvol_name for s in known or () if s.subvol_id == subvolume_id), None)


def _profile(usages: list[btrfs.Usage] | None, kind: str) -> str | None:
    """Several profiles, as after a conversion that was not finished, are joined with ";"."""
    if usages is None:
        return None
    return ";".join(dict.fromkeys(u.profile for u in usages if u.kind == kind))


def _used(usages: list[btrfs.Usage] | None) -> int | None:
    # The global reserve is part of the metadata.
    return sum(u.used for u in usages if u.kind != "globalreserve") if usages else None
