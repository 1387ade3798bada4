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
    retryable = True

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
    retryable = True

    def __init__(self, name: str, said: str) -> None:
        super().__init__(
            f"the hook {name!r} failed before the cut, which was not made: {said}", name=name
        )


class HooksUnusable(Error):
    """The file of the hooks cannot be relied on; correct it on the source server."""

    code = "REHOST.7073"
    status = HTTPStatus.CONFLICT
