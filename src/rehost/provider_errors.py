"""What a place to migrate to can fail in. Only the service raises these."""

from http import HTTPStatus

from rehost.errors import Error


class BadServerName(Error):
    """The id of a target server, made from its task's, has characters that no id has."""

    code = "REHOST.7100"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} cannot be the id of a target server: up to 64 of A-Z, a-z, 0-9, '.', '_', "
            "'-', beginning with a letter or digit"
        )


class TargetGone(Error):
    """There is no such target server; it was never created, or it was deleted."""

    code = "REHOST.7101"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, server_id: str) -> None:
        super().__init__(f"there is no target server {server_id!r}", server_id=server_id)


class NoSpaceForTarget(Error):
    """The disk, inodes or quota of the folder for target disks is full; make space, try again."""

    code = "REHOST.7102"
    status = HTTPStatus.INSUFFICIENT_STORAGE
    retryable = True

    def __init__(self, folder: str, said: str) -> None:
        super().__init__(
            f"no space for target disks in {folder}: {said}; make space there, or give the "
            "service another data folder, then try again",
            folder=folder,
        )


class TargetDiffers(Error):
    """The task has a target server already, with other disks than are wanted now."""

    code = "REHOST.7103"
    status = HTTPStatus.CONFLICT

    def __init__(self, server_id: str, has: str, wanted: str) -> None:
        super().__init__(
            f"target server {server_id!r} exists with other disks: it has {has}, wanted is "
            f"{wanted}; delete it first if what it holds can go",
            server_id=server_id,
        )


class TargetDiskLost(Error):
    """A target disk that was created is missing or was cut short, and its contents with it."""

    code = "REHOST.7104"

    def __init__(self, server_id: str, path: str) -> None:
        super().__init__(
            f"{path}, a disk of target server {server_id!r}, is missing or shorter than it was "
            "made; put it back, or delete the target server and migrate again",
            server_id=server_id,
        )


class TargetStorage(Error):
    """The folder for target disks cannot be used; the message has what the system said."""

    code = "REHOST.7105"

    def __init__(self, folder: str, said: str) -> None:
        super().__init__(f"cannot keep target disks in {folder}: {said}", folder=folder)


class BadTargetSpec(Error):
    """What is wanted of the target server cannot be had; the message says which part."""

    code = "REHOST.7106"
    status = HTTPStatus.BAD_REQUEST


class ProgramMissing(Error):
    """A program that target servers need is not installed where the service runs; install it, then
    try again."""

    code = "REHOST.7107"
    retryable = True

    def __init__(self, program: str, packages: str) -> None:
        super().__init__(
            f"{program} is not installed on this host; install the package {packages}, then try "
            "again",
            program=program,
        )


class LaunchFailed(Error):
    """The target server could not be started; the message has what the hypervisor said."""

    code = "REHOST.7108"

    def __init__(self, server_id: str, said: str) -> None:
        super().__init__(f"cannot start target server {server_id!r}: {said}", server_id=server_id)


class LaunchDelayed(Error):
    """The target server could not be started now: this host has too much to do, or another program
    uses its disks; try again."""

    code = "REHOST.7117"
    retryable = True

    def __init__(self, server_id: str, said: str) -> None:
        super().__init__(
            f"cannot start target server {server_id!r} now, try again when this host has less to "
            f"do: {said}",
            server_id=server_id,
        )


class MachineSilent(Error):
    """The machine does not run, or its monitor does not answer in time; try again."""

    code = "REHOST.7109"
    retryable = True

    def __init__(self, server_id: str, asked: str, said: str) -> None:
        super().__init__(
            f"the machine of target server {server_id!r} does not answer {asked!r}: {said}",
            server_id=server_id,
        )


class CloneStopped(Error):
    """Copying a target's disks was stopped, for somebody waits for them; ask for another copy."""

    code = "REHOST.7118"
    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("copying the target's disks was stopped")


class TargetRuns(Error):
    """This cannot be done to a target server that runs; turn it off first."""

    code = "REHOST.7110"
    status = HTTPStatus.CONFLICT

    def __init__(self, server_id: str) -> None:
        super().__init__(
            f"target server {server_id!r} runs; turn it off first", server_id=server_id
        )


class MachineStuck(Error):
    """A machine's process could not be ended, often because its disk does not answer; try again."""

    code = "REHOST.7111"
    retryable = True

    def __init__(self, server_id: str) -> None:
        super().__init__(
            f"the machine of target server {server_id!r} cannot be turned off: its process does "
            "not end, usually because the disk under the data folder does not answer",
            server_id=server_id,
        )


class LayerLost(Error):
    """A file of the layer over a target's disks is missing: it was being thrown away, or somebody
    deleted it. What was copied is as it was."""

    code = "REHOST.7119"
    status = HTTPStatus.CONFLICT

    def __init__(self, server_id: str, path: str) -> None:
        super().__init__(
            f"target server {server_id!r} cannot start: {path}, of the layer over its disks, is "
            "missing; put it back if it was moved away, else have its task roll back or be started "
            "again, which throws the rest of the layer away",
            server_id=server_id,
        )


class TargetOfTask(Error):
    """The target belongs to a task, which is to do this; the message says which, and its state."""

    code = "REHOST.7113"
    status = HTTPStatus.CONFLICT

    def __init__(self, server_id: str, task_id: str, state: str, todo: str) -> None:
        super().__init__(
            f"target server {server_id!r} belongs to task {task_id!r}, in state {state}; {todo}",
            server_id=server_id,
        )


class TargetAmbiguous(Error):
    """Several target servers have ids that begin like what was given; give more of it."""

    code = "REHOST.7115"
    status = HTTPStatus.CONFLICT

    def __init__(self, begin: str, found: tuple[str, ...]) -> None:
        super().__init__(f"{begin!r} begins the ids of several targets: {', '.join(found)}")


class ProviderCannot(Error):
    """The provider that the service is set up with has not got this ability."""

    code = "REHOST.7114"

    def __init__(self, provider: str, what: str) -> None:
        super().__init__(f"the provider {provider!r} cannot {what}")


class BadProbe(Error):
    """How a target server is to be asked whether it is up is written in another way than known."""

    code = "REHOST.7112"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} does not say how to ask a server whether it is up; write tcp:PORT, "
            "ssh:PORT, http:PORT/PATH or https:PORT/PATH"
        )
