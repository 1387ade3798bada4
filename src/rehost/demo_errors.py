"""What the demo that migrates a whole machine can fail in."""

from collections.abc import Sequence

from rehost.errors import Error


class PackagesMissing(Error):
    """Programs that the demo needs are not installed, and only root can install them."""

    code = "REHOST.7135"

    def __init__(self, packages: Sequence[str]) -> None:
        super().__init__(
            "the demo needs Debian packages that are not installed here; install them, and start "
            f"it again: sudo apt-get install --no-install-recommends {' '.join(packages)}",
            packages=tuple(packages),
        )


class GuestSilent(Error):
    """A machine of the demo did not say on its console, in time, what was waited for."""

    code = "REHOST.7136"

    def __init__(self, wanted: str, limit_s: float, said: str) -> None:
        super().__init__(
            f"the machine's console did not show {wanted} within {limit_s:g} s; it ended with:\n"
            f"{said}"
        )


class GuestCommandFailed(Error):
    """A command that was typed on the console of one of the demo's machines failed there."""

    code = "REHOST.7137"

    def __init__(self, command: str, status: int, said: str) -> None:
        super().__init__(f"`{command}` ended with status {status} on the machine:\n{said}")


class RecordsLost(Error):
    """The target does not have what its source acknowledged before the cut: a bug of Rehost's."""

    code = "REHOST.7138"

    def __init__(self, acknowledged: int, found: str) -> None:
        super().__init__(
            f"{acknowledged} records were acknowledged before the cut; of them the target has "
            f"{found}"
        )


class DemoFailed(Error):
    """The demo's migration, or the start of its target, failed; what is shown above says why."""

    code = "REHOST.7139"

    def __init__(self, what: str, how: str) -> None:
        super().__init__(f"{what} {how}")
