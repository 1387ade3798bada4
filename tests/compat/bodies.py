"""Registration bodies for tests."""

import json
import uuid
from pathlib import Path
from typing import Any

SMS_V3 = Path(__file__).parents[1] / "data" / "sms-v3"
EXAMPLE = json.loads((SMS_V3 / "example.json").read_text())["200"]
CONTRACT = json.loads((SMS_V3 / "contract.json").read_text())


def windows() -> dict[str, Any]:
    """What the agent of the documented example must have registered."""
    # fmt: off
    shown = ("ip", "name", "hostname", "os_type", "os_version", "oem_system", "firmware",
             "cpu_quantity", "memory", "disks", "volume_groups", "networks", "agent_version")
    # fmt: on
    return {name: EXAMPLE[name] for name in shown} | {
        "system_dir": "C:\\Windows",
        "driver_files": True,
        "system_services": True,
        "account_rights": True,
    }


def linux(**changes: Any) -> dict[str, Any]:
    """A Linux server that passes all public checks."""
    return {
        "name": "web-1",
        "hostname": "web-1",
        "ip": "192.0.2.10",
        "ipv6": "",
        "os_type": "LINUX",
        "os_version": "DEBIAN_12_64BIT",
        "firmware": "BIOS",
        "cpu_quantity": 2,
        "memory": 4 << 30,
        "boot_loader": "GRUB",
        "has_rsync": True,
        "has_tc": True,
        "paravirtualization": False,
        "raw_devices": "",
        "agent_version": "0.1.0",
        "kernel_version": "6.1.0-18-amd64",
        "start_type": "MANUAL",
        "volume_groups": [],
        "btrfs_list": [],
        "networks": [
            {
                "name": "eth0",
                "ip": "192.0.2.10",
                "ipv6": "",
                "netmask": "255.255.255.0",
                "gateway": "192.0.2.1",
                "mtu": 1500,
                "mac": "52:54:00:00:00:10",
                "id": "",
            }
        ],
        "disks": [
            {
                "name": "/dev/vda",
                "partition_style": "MBR",
                "size": 20 << 30,
                "used_size": 5 << 30,
                "device_use": "OS",
                "os_disk": True,
                "relation_name": "",
                "inode_size": 256,
                "physical_volumes": [
                    {
                        "name": "/dev/vda1",
                        "index": 1,
                        "device_use": "OS",
                        "file_system": "ext4",
                        "mount_point": "/",
                        "size": 20 << 30,
                        "used_size": 5 << 30,
                        "inode_size": 256,
                        "inode_nums": 1310720,
                        "uuid": "6a1f7a3e-2f6c-4d0e-9f0c-0d8c7c1e5a11",
                        "size_per_cluster": 4096,
                    }
                ],
            }
        ],
    } | changes


def identified(serial: str, *, machine_id: str = "", **facts: Any) -> dict[str, Any]:
    """The `facts` of our own agent on a machine with this disk serial."""
    return {
        "identity": {
            "machine_id": machine_id or uuid.uuid4().hex,
            "dmi_uuid": None,
            "disk_serials": [serial],
        },
        **facts,
    }


def new_task(source_id: str, **changes: Any) -> dict[str, Any]:
    """The least that CreateTask takes, for a source."""
    return {
        "name": "move-web-1",
        "type": "MIGRATE_BLOCK",
        "source_server": {"id": source_id},
        "target_server": {"name": "web-1", "vm_id": ""},
        "region_name": "local",
        "region_id": "local",
        "project_name": "default",
        "project_id": "p1",
    } | changes
