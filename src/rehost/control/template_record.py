"""What clients say of a server template, which is what is kept of it; wishes.py follows it."""

from dataclasses import dataclass, field
from typing import Annotated

from rehost.model.limits import Int, Meta, Text, WordName

Password = Annotated[str, Meta(max_length=1024)]
Bandwidth = Annotated[
    int,
    Meta(ge=1, le=2000, description="Mbit/s: above 300 in steps of 50, above 1000 of 500"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcObject:
    id: Text | None = None
    name: Text | None = None
    cidr: Text = "192.168.0.0/16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nics:
    """An id of autoCreate stands for a network that is made with the target."""

    id: Text
    name: Text
    cidr: Text = ""
    ip: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SgObject:
    id: Text
    name: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicIp:
    type: Text
    bandwidth_size: Bandwidth
    bandwidth_share_type: Text = "PER"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateDisk:
    """`size` is in GiB."""

    id: Int | None = None
    index: Int
    name: Text
    disktype: Text
    size: Int
    device_use: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRequest:
    """What is left out has a default in a new template, and stays as it was in an old one."""

    name: WordName
    is_template: bool | None = None
    region: Text | None = None
    projectid: Text | None = None
    target_server_name: Text | None = None
    availability_zone: Text | None = None
    volumetype: Text | None = None
    flavor: Text | None = None
    vpc: VpcObject | None = None
    nics: tuple[Nics, ...] | None = None
    security_groups: tuple[SgObject, ...] | None = None
    publicip: PublicIp | None = None
    disk: tuple[TemplateDisk, ...] | None = None
    data_volume_type: Text | None = None
    target_password: Password | None = field(default=None, repr=False)
    image_id: Text | None = None
