"""Answers of GET /v3/sources/{id}, made by hand: what pictures must cope with."""

import json
from pathlib import Path
from typing import Any

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40

EXAMPLE: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data/sms-v3/example.json").read_text()
)["200"]


def partition(name, fs, mount, size, used=None, **more):
    index = int("".join(c for c in name[-2:] if c.isdigit()) or 0)
    return {
        "name": f"/dev/{name}",
        "index": index,
        "file_system": fs,
        "mount_point": mount,
        "size": size,
        "used_size": used,
        "device_use": "NORMAL",
        **more,
    }


def disk(name, style, size, *partitions, used=None, **more):
    return {
        "name": f"/dev/{name}",
        "partition_style": style,
        "size": size,
        "used_size": used,
        "device_use": "NORMAL",
        "os_disk": False,
        "physical_volumes": list(partitions),
        **more,
    }


def volume(name, fs, mount, size, used=None):
    return {
        "name": f"/dev/mapper/{name}",
        "file_system": fs,
        "mount_point": mount,
        "size": size,
        "used_size": used,
    }


def check(name, result="OK", code=None, message=None, **more):
    return {
        "id": 1,
        "params": [""],
        "name": name,
        "result": result,
        "error_code": code,
        "error_or_warn": message,
        "error_params": "",
        **more,
    }


def source(**fields):
    return {
        "id": "5f0c3f1e-8a52-4c1e-9a83-0c1d5a6f2b11",
        "name": "db-1",
        "hostname": "db-1.example.org",
        "ip": "192.0.2.17",
        "os_type": "LINUX",
        "os_version": "DEBIAN_12_64BIT",
        "firmware": "UEFI",
        "cpu_quantity": 4,
        "memory": 8 * GIB,
        "state": "waiting",
        "migration_cycle": "checking",
        "connected": True,
        "agent_version": "0.1.0",
        "disks": [],
        "volume_groups": [],
        "btrfs_list": [],
        "networks": [],
        "checks": [],
        "current_task": None,
        "init_target_server": None,
        **fields,
    }


LVM = source(
    disks=[
        disk(
            "sda",
            "GPT",
            100 * GIB,
            partition("sda1", "vfat", "/boot/efi", 512 * MIB, 6 * MIB),
            partition("sda2", "ext4", "/boot", 1 * GIB, 220 * MIB),
            partition("sda3", "LVM2_member", "", 80 * GIB, 72 * GIB),
            used=74 * GIB,
            os_disk=True,
            device_use="OS",
        ),
        disk("sdb", "", 2 * TIB, used=None),
    ],
    volume_groups=[
        {
            "name": "vg-main",
            "components": "/dev/sda3",
            "size": 80 * GIB,
            "free_size": 8 * GIB,
            "logical_volumes": [
                volume("vg--main-root", "xfs", "/", 30 * GIB, 21 * GIB),
                volume("vg--main-var--lib", "xfs", "/var/lib", 38 * GIB, 3 * GIB),
                volume("vg--main-swap", "swap", "[SWAP]", 4 * GIB, 0),
            ],
        }
    ],
    networks=[
        {
            "name": "ens3",
            "ip": "192.0.2.17",
            "ipv6": "2001:db8::17",
            "netmask": "255.255.255.0",
            "gateway": "192.0.2.1",
            "mtu": 1500,
            "mac": "52:54:00:12:34:56",
        },
        {"name": "ens4", "ip": "", "mtu": 9000, "mac": "52:54:00:12:34:57"},
    ],
    checks=[
        check("OS_VERSION"),
        check("CPU"),
        check(
            "RSYNC",
            "WARN",
            "SMS.0301",
            "rsync is not installed. Block-level migration does not need it; for file-level "
            "migration install the package rsync.",
        ),
        check(
            "RAW_DEVICES",
            "ERROR",
            "SMS.0302",
            "/dev/sdb is a raw disk.",
            remedy="Detach it, or make a filesystem on it.",
        ),
        check("DISK_INFO"),
    ],
    init_target_server={
        "disks": [
            {
                "name": "Disk 0",
                "size": 101 * GIB,
                "used_size": 74 * GIB,
                "device_use": "OS",
                "physical_volumes": [
                    partition("sda1", "vfat", "/boot/efi", 512 * MIB, 6 * MIB),
                    partition("sda2", "ext4", "/boot", 1 * GIB, 220 * MIB),
                    partition("sda3", "LVM2_member", "", 80 * GIB, 72 * GIB),
                ],
            }
        ],
        "volume_groups": [],
    },
)

RAID_CRYPT = source(
    disks=[
        disk(
            name,
            "MBR",
            16 * TIB,
            partition(f"{name}1", "linux_raid_member", "", 1 * GIB),
            partition(f"{name}2", "crypto_LUKS", "", 16 * TIB - 2 * GIB),
            os_disk=name == "sda",
        )
        for name in ("sda", "sdb")
    ],
    facts={
        "stacks": [
            {
                "name": "/dev/md0",
                "kind": "raid1",
                "components": ["/dev/sda1", "/dev/sdb1"],
                "size": GIB,
                "file_system": "ext4",
                "mount_point": "/boot",
                "used_size": 300 * MIB,
            },
            {
                "name": "/dev/mapper/secret",
                "kind": "crypt",
                "components": ["/dev/sda2"],
                "size": 16 * TIB - 3 * GIB,
                "file_system": "LVM2_member",
                "mount_point": "",
                "used_size": None,
            },
        ]
    },
    volume_groups=[
        {
            "name": "vg0",
            "components": "/dev/mapper/secret",
            "size": 16 * TIB,
            "free_size": 12 * TIB,
            "logical_volumes": [volume("vg0-root", "ext4", "/", 4 * TIB, 1 * TIB)],
        }
    ],
)

BTRFS = source(
    disks=[
        disk(
            "nvme0n1",
            "GPT",
            40 * GIB,
            partition("nvme0n1p1", "vfat", "/efi", 300 * MIB, 40 * MIB),
            partition("nvme0n1p2", "btrfs", "/", 39 * GIB, 12 * GIB),
            used=13 * GIB,
            os_disk=True,
        )
    ],
    btrfs_list=[
        {
            "name": "/dev/nvme0n1p2",
            "label": "root",
            "device": "/dev/nvme0n1p2",
            "size": 39 * GIB,
            "g_vol_used_size": 12 * GIB,
            "data_profile": "single",
            "metadata_profile": "dup",
            "default_subvolid": "256",
            "subvolumn": [
                {"subvol_id": "256", "subvol_name": "@", "subvol_mount_path": "/"},
                {"subvol_id": "257", "subvol_name": "@home", "subvol_mount_path": "/home"},
                *(
                    {
                        "subvol_id": str(300 + i),
                        "subvol_name": f"@snapshots/{i}",
                        "subvol_mount_path": "",
                        "is_snapshot": "true",
                    }
                    for i in range(1, 9)
                ),
            ],
        }
    ],
)

WHOLE_DISK_LVM = source(
    disks=[
        disk(
            "sdb",
            "MBR",
            100 * GIB,
            partition("sdb1", "LVM2_member", "", 100 * GIB - MIB, 80 * GIB),
            used=80 * GIB,
        )
    ],
    volume_groups=[
        {
            "name": "data",
            "components": "/dev/sdb1",
            "size": 100 * GIB,
            "free_size": 20 * GIB,
            "logical_volumes": [volume("data-pgsql", "ext4", "/srv", 80 * GIB, 41 * GIB)],
        }
    ],
)

TINY = source(
    disks=[
        disk(
            "vda",
            "GPT",
            16 * TIB,
            partition("vda14", "", "", 1 * MIB),
            partition("vda15", "vfat", "/boot/efi", 64 * MIB, 11 * MIB),
            partition("vda1", "ext4", "/", 16 * TIB - 65 * MIB, 7 * GIB),
            used=8 * GIB,
        )
    ]
)

CROWDED = source(
    disks=[
        disk(
            "sda",
            "GPT",
            128 * GIB,
            *(partition(f"sda{i}", "ext4", "", GIB, GIB // 2) for i in range(1, 129)),
        )
    ]
)

UNKNOWN = source(
    disks=[
        {"name": "/dev/vda", "size": 252 * GIB, "physical_volumes": None},
        disk(
            "vdb",
            "",
            252 * GIB,
            {"name": "/dev/vdb", "index": 0, "file_system": None, "size": 252 * GIB},
        ),
        disk(
            "vdc",
            "",
            20 * GIB,
            partition("vdc", "ext4", "/srv", 20 * GIB, 3 * GIB, index=0),
        ),
    ]
)

ALL = {
    "example": EXAMPLE,
    "lvm": LVM,
    "raid-crypt": RAID_CRYPT,
    "btrfs": BTRFS,
    "whole-disk-lvm": WHOLE_DISK_LVM,
    "tiny": TINY,
    "crowded": CROWDED,
    "unknown": UNKNOWN,
}
