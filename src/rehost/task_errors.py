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
