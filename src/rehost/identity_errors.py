"""What is refused about users, roles, projects and domains, and about the database's schema."""

from http import HTTPStatus

from rehost.errors import Error


class InUse(Error):
    """Something else still belongs to it or has it; the message says what, and what to do."""

    code = "REHOST.4130"
    status = HTTPStatus.CONFLICT

    def __init__(self, kind: str, name: str, why: str) -> None:
        super().__init__(f"the {kind} {name!r} cannot be deleted: {why}", name=name)


class BadPolicy(Error):
    """A policy names an action that there is not, or says what cannot be kept here."""

    code = "REHOST.4131"
    status = HTTPStatus.BAD_REQUEST


class RoleIsBuiltIn(Error):
    """The roles admin, operator and reader are the same everywhere and cannot be changed."""

    code = "REHOST.4132"
    status = HTTPStatus.CONFLICT

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the role {name!r} is built in and cannot be made, changed or deleted; "
            "create one of another name",
            name=name,
        )
