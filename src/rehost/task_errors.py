"""What is refused about tasks. Only the service raises these: agents are not given this file."""

from http import HTTPStatus

from rehost.errors import Error


class TaskRefuses(Error):
    """The task cannot do this in the state that it is in; the message says what it can do."""

    code = "REHOST.4095"
    status = HTTPStatus.CONFLICT

    def __init__(self, state: str, action: str, possible: tuple[str, ...]) -> None:
        can = f"it can {', '.join(possible)}" if possible else "it can do nothing until that ends"
        super().__init__(
            f"a task in state {state} cannot {action}; {can}", state=state, action=action
        )


class TaskRunning(Error):
    """A task that runs or is being stopped cannot be deleted; stop it, and wait until it has."""

    code = "SMS.2015"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self, task_id: str, state: str) -> None:
        super().__init__(
            f"task {task_id!r} is in state {state} and cannot be deleted; stop it first",
            task_id=task_id,
            state=state,
        )


class TargetNotReady(Error):
    """The target of the task is being made ready; ask again in a moment."""

    code = "REHOST.4096"
    status = HTTPStatus.CONFLICT
    retryable = True

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"the target of task {task_id!r} is not ready yet; ask again in a moment",
            task_id=task_id,
        )


class SourceHasTask(Error):
    """The source has a task that is not finished; it can have one at a time."""

    code = "REHOST.4097"
    status = HTTPStatus.CONFLICT

    def __init__(self, source_id: str, task_id: str, state: str) -> None:
        super().__init__(
            f"source server {source_id!r} has task {task_id!r} in state {state}; delete it first, "
            "or go on with it",
            source_id=source_id,
            task_id=task_id,
        )


class SourceUnfit(Error):
    """Checks of the source failed: it cannot be migrated before what they name is put right."""

    code = "REHOST.4098"
    status = HTTPStatus.CONFLICT

    def __init__(self, source_id: str, failed: tuple[str, ...]) -> None:
        super().__init__(
            f"source server {source_id!r} cannot be migrated: {', '.join(failed)} failed; show the "
            "source for what to do",
            source_id=source_id,
        )


class SystemNotSupported(Error):
    """The operating system of the source is not in the list of those that can be migrated."""

    code = "SMS.2206"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self, source_id: str, os_version: str) -> None:
        super().__init__(
            f"source server {source_id!r} cannot be migrated: its system, {os_version}, is not in "
            "the list of supported ones",
            source_id=source_id,
        )


class SourceOfTaskNotFound(Error):
    """A task was to be made of a source server that does not exist."""

    code = "SMS.2216"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self, source_id: str) -> None:
        super().__init__(
            f"body field source_server.id: there is no source server {source_id!r}",
            source_id=source_id,
        )


class TaskNotFound(Error):
    """There is no such task, or the source has none."""

    code = "SMS.2252"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} not found")


class TaskSuperseded(Error):
    """The source has had another task since; only that one can do something now."""

    code = "REHOST.4099"
    status = HTTPStatus.CONFLICT

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"task {task_id!r} is finished and its source has another task now", task_id=task_id
        )


class NotMigratedThisWay(Error):
    """Only block-level tasks can be started: this version does not migrate by files."""

    code = "REHOST.4100"
    status = HTTPStatus.CONFLICT

    def __init__(self, task_id: str, kind: str) -> None:
        super().__init__(
            f"task {task_id!r} is of type {kind}, which this version cannot carry out; make one of "
            "type MIGRATE_BLOCK",
            task_id=task_id,
        )


class StateIsTheTasks(Error):
    """A source's state follows its task; an agent cannot set it to something else."""

    code = "REHOST.4101"
    status = HTTPStatus.CONFLICT

    def __init__(self, source_id: str, wanted: str, now: str) -> None:
        super().__init__(
            f"source server {source_id!r} cannot be set to {wanted}: with its task as it is, it is "
            f"{now}",
            source_id=source_id,
        )


class LogNotFound(Error):
    """No log of this task has been uploaded to the service."""

    code = "REHOST.4044"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"there is no log of task {task_id!r}; ask its agent for it, with collect_log",
            task_id=task_id,
        )


class ReceiverFailed(Error):
    """The process that writes the target's disks failed; the message has its last words."""

    code = "REHOST.4102"

    def __init__(self, said: str) -> None:
        super().__init__(f"the receiver of the target's disks failed: {said}")


class TargetTooSmall(Error):
    """A disk of the target is smaller than the source's."""

    code = "REHOST.4103"

    def __init__(self, name: str, *, has: int, needs: int) -> None:
        super().__init__(f"the target's disk for {name} has {has} bytes, the source's has {needs}")


class TooFast(Error):
    """The task went faster than its limit by more than its threshold, and was stopped."""

    code = "REHOST.4104"

    def __init__(self, speed: float, limit: float, threshold: float) -> None:
        super().__init__(
            f"{speed:g} Mbit/s is more than {threshold:g} % above the limit of {limit:g} Mbit/s"
        )


class SourceDiskGone(Error):
    """A disk that the target was made for is no longer reported by the source."""

    code = "REHOST.4105"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the source no longer reports disk {name}; put it back, or delete the task and make "
            "another"
        )


class TargetNotUp(Error):
    """The target was started and did not come up; the task's launch has what it said."""

    code = "REHOST.4106"

    def __init__(self, why: str, last_lines: tuple[str, ...]) -> None:
        said = f"; it said last: {' / '.join(last_lines[-3:])}" if last_lines else ""
        super().__init__(
            f"the target was started and did not come up: {why}{said}. The source runs on, and the "
            "copy of its disks is kept: what was changed to start it is thrown away"
        )


class CannotClone(Error):
    """Targets of this provider cannot be copied, and so not be tried."""

    code = "REHOST.4107"

    def __init__(self, provider: str) -> None:
        super().__init__(f"targets made by the provider {provider!r} cannot be copied for a test")


class CloneOutdated(Error):
    """The source's agent was started again while the target was copied for a test."""

    code = "REHOST.4108"

    def __init__(self) -> None:
        super().__init__(
            "the agent began to send again while the target was copied for the test; ask for "
            "another test"
        )


class PointFailed(Error):
    """The source could not be held at one moment for a test; the message says why."""

    code = "REHOST.4109"

    def __init__(self, code: str, said: str) -> None:
        super().__init__(f"the source could not be held at one moment: {said} ({code})")


class TrialCutOff(Error):
    """The task went on, or failed, before the target was copied for a test; ask for another."""

    code = "REHOST.4110"

    def __init__(self) -> None:
        super().__init__(
            "the task was started, synchronised, stopped or cut over, or failed, before the target "
            "was copied for the test"
        )


class TrialTooLate(Error):
    """The last pass runs already, or the target is being started: nothing can be tried until the
    task has finished; then its target can be copied and tried."""

    code = "REHOST.4111"
    status = HTTPStatus.CONFLICT

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"task {task_id} makes its last pass, or starts its target: test it once that is done",
            task_id=task_id,
        )


class TypeStays(Error):
    """A task that was started once keeps its type: its target and what is known of it are of that
    type. Make another task for another type."""

    code = "REHOST.4112"
    status = HTTPStatus.CONFLICT

    def __init__(self, task_id: str, kind: str) -> None:
        super().__init__(
            f"task {task_id!r} was started, and stays of type {kind}; to migrate in another way, "
            "make another task",
            task_id=task_id,
        )


class NoIpv6Address(Error):
    """The task is to be sent by IPv6, and the service is at an IPv4 address: set the task's
    migration_ip to an IPv6 address that leads to the service, or have the service at one."""

    code = "REHOST.4113"
    status = HTTPStatus.CONFLICT

    def __init__(self, task_id: str, host: str) -> None:
        super().__init__(
            f"task {task_id!r} has use_ipv6, and the service is at {host}, which no one reaches by "
            "IPv6; set migration_ip of the task to an IPv6 address that leads to the service",
            task_id=task_id,
        )


class LaunchNotFound(Error):
    """The task's target, or a copy of it, has not been started, or showed nothing."""

    code = "REHOST.4045"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, task_id: str, what: str) -> None:
        super().__init__(f"there is no {what} of task {task_id!r} here")
