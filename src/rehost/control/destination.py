"""Where the agent of a task sends to: at an address that was set for it, or at the service's."""

from ipaddress import ip_address

from rehost.control.task_record import ConfigKey, Task
from rehost.task_errors import NoIpv6Address


def host(task: Task, service: str) -> str:
    """For the agent of the task; `service` is the host of the service's URL.

    Raises NoIpv6Address.
    """
    own = configured(task) or task.settings.migration_ip
    # Earlier versions took any text, and did not follow it.
    if own and wrong(own, ipv6=task.settings.use_ipv6) is None:
        return own
    if task.settings.use_ipv6 and _version(service) == 4:
        raise NoIpv6Address(task.id, service)
    return service


def configured(task: Task) -> str:
    """The configuration MIGRATE_DST_IP, "" if there is none."""
    rows = (c.config_value for c in task.configurations if c.config_key == ConfigKey.MIGRATE_DST_IP)
    return next(rows, "")


def wrong(address: str, *, ipv6: bool) -> str | None:
    """Why a task that is sent by IPv6, or is not, cannot have this address; "" can be had."""
    if not address:
        return None
    version = _version(address)
    if version is None:
        return "it is no IP address"
    if ip_address(address).is_unspecified or ip_address(address).is_multicast:
        return f"{address} is the address of no machine"
    if (version == 6) is not ipv6:
        told = "true" if ipv6 else "false"
        return f"{address} is an IPv{version} address, and use_ipv6 is {told}"
    return None


def _version(text: str) -> int | None:
    try:
        return ip_address(text).version
    except ValueError:
        return None
