"""This machine as the place to migrate to: raw images in the service's data, machines by QEMU."""

from rehost.providers.qemu.options import QemuOptions
from rehost.providers.qemu.provider import QemuProvider

__all__ = ["QemuOptions", "QemuProvider"]
