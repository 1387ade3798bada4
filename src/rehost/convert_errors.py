"""What can go wrong when a copied system is made to start on its new hardware.

It happens on a layer over the copy: after each of these the copy is as it was.
"""

from http import HTTPStatus

from rehost.errors import Error


class ConversionToolMissing(Error):
    """A program that changes copied systems is not installed where the service runs; install it,
    then try again."""

    code = "REHOST.7120"
    retryable = True

    def __init__(self, what: str, packages: str) -> None:
        super().__init__(
            f"cannot change the copied system: {what}; on Debian and Ubuntu install {packages}, "
            "then try again",
            packages=packages,
        )


class ConversionStopped(Error):
    """Somebody stopped the task while the copied system was being changed; the copy is as it
    was."""

    code = "REHOST.7121"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("stopped while the copied system was being changed; the copy is as it was")


class ConversionTimedOut(Error):
    """Changing the copied system took too long; try again when the host has less to do."""

    code = "REHOST.7122"
    retryable = True

    def __init__(self, what: str, limit_s: float) -> None:
        super().__init__(
            f"{what} did not end within {limit_s:g} s; try again when this host has less to do",
            limit_s=limit_s,
        )


class SystemNotFound(Error):
    """The copied disks hold no system that could be changed, or several and not the one that ran
    on the source."""

    code = "REHOST.7123"
    status = HTTPStatus.CONFLICT

    def __init__(self, found: str) -> None:
        super().__init__(
            f"the source's system was not found on the copied disks: {found}", found=found
        )


class ConversionFailed(Error):
    """The copied system could not be changed; the message has what was tried and what was said."""

    code = "REHOST.7124"

    def __init__(self, tried: str, said: str) -> None:
        super().__init__(f"cannot change the copied system: {tried}: {said}")


class VirtV2vFailed(Error):
    """virt-v2v could not make the copied system ready for virtio; its log is kept with the task."""

    code = "REHOST.7125"

    def __init__(self, said: str) -> None:
        super().__init__(f"virt-v2v-in-place failed: {said}")


class NotConvertible(Error):
    """What would have to be changed in the copied system cannot be; the message says why, and what
    to change on the source instead."""

    code = "REHOST.7126"
    status = HTTPStatus.CONFLICT
