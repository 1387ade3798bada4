"""Bodies to try on the API page, by operation and by what they show. A test sends each of them."""

from typing import Any

NETWORK = {
    "name": "eth0",
    "ip": "192.0.2.10",
    "ipv6": "",
    "netmask": "255.255.255.0",
    "gateway": "192.0.2.1",
    "mtu": 1500,
    "mac": "52:54:00:00:00:10",
}
LINUX_DISK = {
    "name": "/dev/vda",
    "partition_style": "GPT",
    "size": 42949672960,
    "used_size": 9663676416,
    "device_use": "OS",
    "os_disk": True,
    "relation_name": "/dev/disk/by-id/virtio-1",
    "inode_size": 256,
    "physical_volumes": [
        {
            "name": "/dev/vda1",
            "index": 1,
            "device_use": "BOOT",
            "file_system": "vfat",
            "mount_point": "/boot/efi",
            "size": 536870912,
            "used_size": 6291456,
            "uuid": "7B1C-91D2",
            "size_per_cluster": 4096,
        },
        {
            "name": "/dev/vda2",
            "index": 2,
            "device_use": "OS",
            "file_system": "ext4",
            "mount_point": "/",
            "size": 42410704896,
            "used_size": 9657384960,
            "inode_size": 256,
            "inode_nums": 2588672,
            "uuid": "6a1f7a3e-2f6c-4d0e-9f0c-0d8c7c1e5a11",
            "size_per_cluster": 4096,
        },
    ],
}
LINUX = {
    "name": "web-1",
    "hostname": "web-1",
    "ip": "192.0.2.10",
    "os_type": "LINUX",
    "os_version": "DEBIAN_12_64BIT",
    "kernel_version": "6.1.0-18-amd64",
    "firmware": "UEFI",
    "boot_loader": "GRUB",
    "cpu_quantity": 2,
    "memory": 4294967296,
    "has_rsync": True,
    "has_tc": True,
    "paravirtualization": False,
    "raw_devices": "",
    "disks": [LINUX_DISK],
    "volume_groups": [],
    "btrfs_list": [],
    "networks": [NETWORK],
    "agent_version": "0.1.0",
}
WINDOWS = {
    "name": "files-1",
    "hostname": "FILES-1",
    "ip": "192.0.2.20",
    "os_type": "WINDOWS",
    "os_version": "WINDOWS2019_64BIT",
    "oem_system": False,
    "firmware": "BIOS",
    "cpu_quantity": 4,
    "memory": 8589934592,
    "system_dir": "C:\\Windows",
    "driver_files": True,
    "system_services": True,
    "account_rights": True,
    "disks": [
        {
            "name": "Disk 0",
            "partition_style": "MBR",
            "size": 64424509440,
            "used_size": 21474836480,
            "device_use": "OS",
            "os_disk": True,
            "physical_volumes": [
                {
                    "name": "C:",
                    "index": 0,
                    "device_use": "OS",
                    "file_system": "NTFS",
                    "mount_point": "C:",
                    "size": 64424509440,
                    "used_size": 21474836480,
                }
            ],
        }
    ],
    "volume_groups": [],
    "networks": [NETWORK | {"name": "Ethernet", "ip": "192.0.2.20", "mac": "52:54:00:00:00:20"}],
    "agent_version": "22.6.0",
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "register_server": {"Linux": LINUX, "Windows": WINDOWS},
    "update_server_name": {"rename": {"name": "shop"}},
    "update_disk_info": {"larger disk": {"disks": [LINUX_DISK | {"size": 85899345920}]}},
    "delete_servers": {"two": {"ids": ["6f2a0b1e-…", "b7d1c3f0-…"]}},
    "update_command_result": {
        "stopped": {"command_name": "STOP", "result": "success", "result_detail": {}}
    },
    "create_token": {
        "for a project": {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {
                        "user": {
                            "name": "operator",
                            "domain": {"name": "default"},
                            "password": "…",
                        }
                    },
                },
                "scope": {"project": {"name": "default", "domain": {"name": "default"}}},
            }
        }
    },
}
