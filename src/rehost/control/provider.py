"""The provider that the configuration names. Apart from what else is known of targets: it is looked
at before the service starts its processes, which must not take long."""

from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from rehost.control.config import ServeConfig
from rehost.errors import BadConfiguration
from rehost.provider_errors import BadProbe
from rehost.providers.base import Provider

if TYPE_CHECKING:
    from rehost.providers.qemu.options import QemuOptions
    from rehost.stages.launch import Probe

E = TypeVar("E", bound=StrEnum)


def open_provider(config: ServeConfig) -> Provider:
    """Raises BadConfiguration for one that is not known."""
    folder = config.data / "targets"
    if config.provider == "qemu":
        from rehost.providers.qemu import QemuProvider

        return QemuProvider(folder, _qemu_options(config))
    if config.provider == "null":
        from rehost.providers.null import NullProvider

        return NullProvider(folder)
    raise BadConfiguration(f"option provider: {config.provider!r} is neither qemu nor null")


def boot_probe(config: ServeConfig) -> "Probe | None":
    """What must answer for targets to be up, unless their task says otherwise.

    None: their console tells, or SSH. Raises BadConfiguration.
    """
    from rehost.stages import launch

    try:
        return launch.parse(config.boot_probe) if config.boot_probe else None
    except BadProbe as e:
        raise BadConfiguration(f"option boot_probe: {e}") from e


def _qemu_options(config: ServeConfig) -> "QemuOptions":
    from rehost.providers.qemu.options import Acceleration, Chipset, QemuOptions

    return QemuOptions(
        acceleration=_one_of(Acceleration, "qemu_acceleration", config.qemu_acceleration),
        chipset=_one_of(Chipset, "qemu_chipset", config.qemu_chipset),
        bridge=config.qemu_bridge,
    )


def _one_of(kind: type[E], option: str, value: str) -> E:
    try:
        return kind(value)
    except ValueError as e:
        known = ", ".join(member.value for member in kind)
        raise BadConfiguration(f"option {option}: {value!r} is none of {known}") from e
