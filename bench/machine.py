"""A server of ordinary size: its answer has about 7 KB, as the documented ones."""

from typing import Any

_GIB = 1 << 30


def _partition(disk: str, index: int, mount: str, size: int) -> dict[str, Any]:
    return {
        "name": f"/dev/{disk}{index}",
        "index": index,
        "device_use": {"/": "OS", "/boot": "BOOT"}.get(mount, "NORMAL"),
        "file_system": "ext4",
        "mount_point": mount,
        "size": size,
        "used_size": size // 3,
        "inode_size": 256,
        "inode_nums": size // 16384,
        "uuid": f"6a1f7a3e-2f6c-4d0e-9f0c-0d8c7c1e5a{index}{len(disk)}",
        "size_per_cluster": 4096,
    }


def _disk(name: str, *mounts: str) -> dict[str, Any]:
    return {
        "name": f"/dev/{name}",
        "partition_style": "GPT",
        "size": 100 * _GIB,
        "used_size": 30 * _GIB,
        "device_use": "OS" if "/" in mounts else "NORMAL",
        "os_disk": "/" in mounts,
        "relation_name": f"virtio-{name}",
        "inode_size": 256,
        "physical_volumes": [
            _partition(name, index, mount, 90 * _GIB // len(mounts))
            for index, mount in enumerate(mounts, 1)
        ],
    }


REPORT: dict[str, Any] = {
    "name": "server-1",
    "hostname": "server-1",
    "ip": "192.0.2.10",
    "ipv6": "2001:db8::10",
    "os_type": "LINUX",
    "os_version": "DEBIAN_12_64BIT",
    "firmware": "BIOS",
    "cpu_quantity": 8,
    "memory": 32 * _GIB,
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
            "name": f"eth{n}",
            "ip": f"192.0.2.1{n}",
            "ipv6": "",
            "netmask": "255.255.255.0",
            "gateway": "192.0.2.1",
            "mtu": 1500,
            "mac": f"52:54:00:00:00:1{n}",
            "id": "",
        }
        for n in range(2)
    ],
    "disks": [_disk("vda", "/boot", "/", "/var"), _disk("vdb", "/srv", "/home")],
}
