"""What can go wrong when the source's filesystems are held still for a moment."""

from http import HTTPStatus

from rehost.errors import Error


class FreezeFailed(Error):
    """A filesystem of the source could not be frozen; all go on as before. Try again."""

    code = "REHOST.7070"
    status = HTTPStatus.CONFLICT
    retryable = True

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"cannot freeze {path}: {why}; nothing stays frozen, and the cut can be tried again",
            path=path,
        )


class FreezeEnded(Error):
    """The filesystems went on before the last blocks were read: that copy is not consistent."""

    code = "REHOST.7071"
    status = HTTPStatus.CONFLICT

    def __init__(self, limit_s: float) -> None:
        super().__init__(
            f"the last blocks were not read within the {limit_s:g} s that filesystems may be "
            "frozen; they were thawed, and the copy is not consistent: let another pass shrink "
            "what is left, and cut again",
            limit_s=limit_s,
        )


class HookFailed(Error):
    """A program that the administrator wants to run before the cut failed or took too long."""

    code = "REHOST.7072"
    status = HTTPStatus.CONFLICT

    def __init__(self, name: str, said: str) -> None:
        super().__init__(
            f"the hook {name!r} failed before the cut, which was not made: {said}", name=name
        )


class HooksUnusable(Error):
    """The file of the hooks cannot be relied on; correct it on the source server."""

    code = "REHOST.7073"
    status = HTTPStatus.CONFLICT


class ChangesLost(Error):
    """While filesystems stood still it showed that it is not known what was written to a disk; it
    is compared, and the cut is tried again."""

    code = "REHOST.7085"
    status = HTTPStatus.CONFLICT
    retryable = True

    def __init__(self, disks: str) -> None:
        super().__init__(
            f"the tracker of {disks} lost events; all of it must be compared before another cut"
        )


class CutTooLong(Error):
    """Changes of a disk cannot be tracked, and to compare it takes longer than filesystems may be
    frozen; nothing was frozen."""

    code = "REHOST.7086"
    status = HTTPStatus.CONFLICT

    def __init__(self, disks: str, takes_s: float, limit_s: float) -> None:
        super().__init__(
            f"what was written to {disks} is not tracked, so all of it must be compared while "
            f"filesystems stand still; the last time that took {takes_s:.0f} s, and they may be "
            f"frozen for {limit_s:g} s. Nothing was frozen. Make tracking possible (see the check "
            "CHANGE_TRACKING), or start the source from a rescue system, where none is mounted"
        )


# What is wrong with one cut, and not with the copy: it goes on, and may be cut again.
OF_ONE_CUT = (FreezeFailed, FreezeEnded, HookFailed, ChangesLost, CutTooLong)
