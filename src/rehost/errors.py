"""Every failure that a caller may tell apart: its code, HTTP status, and what to do.

Codes of the public API are kept where one fits (SMS.…, APIGW.…); ours begin with "REHOST.".
A released code is never reused. docs/errors.md is generated from this file
and the others in this folder that are named …_errors.py.
"""

from http import HTTPStatus


class Error(Exception):
    """Base class: carries what the API, the CLI and the retry loop each need to know."""

    code: str
    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR
    retryable: bool = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class Internal(Error):
    """The service failed in a way nobody foresaw. Its log has the request id and the cause."""

    code = "SMS.2007"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"internal error; the service's log names the cause under request id {request_id}",
            request_id=request_id,
        )


class InvalidRequest(Error):
    """A field, parameter or header of the request is missing or wrong; the message names it."""

    code = "REHOST.4000"
    status = HTTPStatus.BAD_REQUEST


class NotAuthenticated(Error):
    """The token, signature or enrolment code is missing, wrong, expired or revoked."""

    code = "APIGW.0301"
    status = HTTPStatus.UNAUTHORIZED


class PermissionDenied(Error):
    """The caller is known, but its role does not allow this action on this resource."""

    code = "SMS.9004"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, action: str, resource: str) -> None:
        self.sentence = (
            f"You do not have permission to perform action {action} on resource {resource}."
        )
        super().__init__(
            "The current account does not have the permission to execute policy " + self.sentence,
            action=action,
            resource=resource,
        )


class SourceNotFound(Error):
    """The source server was never registered, has been deleted, or is another project's."""

    code = "SMS.0202"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, source_id: str) -> None:
        super().__init__(f"source server {source_id!r} not found", source_id=source_id)


class PathNotFound(Error):
    """The service has no such path."""

    code = "APIGW.0101"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"the service has nothing at {method} {path}; see /docs")


class MethodNotAllowed(Error):
    """The path exists, but not with this HTTP method."""

    code = "REHOST.4050"
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, method: str, path: str) -> None:
        super().__init__(f"{path} does not take {method}; see /docs")


class SourceExists(Error):
    """The machine is registered already, by another project or under another id."""

    code = "SMS.2013"
    status = HTTPStatus.CONFLICT


class CommandMismatch(Error):
    """A command result does not match the command that was handed out to the agent."""

    code = "SMS.2009"
    status = HTTPStatus.BAD_REQUEST


class BodyTooLarge(Error):
    """The request body is larger than the service takes."""

    code = "SMS.2005"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self) -> None:
        super().__init__("the request body is too large; `rehost serve --body-limit` sets how much")


class UnsupportedMediaType(Error):
    """The request body is not JSON by its content type."""

    code = "SMS.2006"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    def __init__(self, content_type: str) -> None:
        super().__init__(f"content type {content_type!r} is not application/json")


class TooManyRequests(Error):
    """Too many requests, or too many failed log-ins, from this caller; wait and try again."""

    code = "APIGW.0308"
    status = HTTPStatus.TOO_MANY_REQUESTS
    retryable = True

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s


class DatabaseTooNew(Error):
    """The database was upgraded by a newer Rehost; this one must not touch it."""

    code = "REHOST.1001"

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database has schema {revision}, which this version of Rehost does not know; "
            "install the newer version that upgraded it",
            revision=revision,
        )


class DatabaseUnavailable(Error):
    """The database cannot be read or written now: disk full, locked for long, gone; see why."""

    code = "REHOST.5031"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retryable = True

    def __init__(self, why: str) -> None:
        super().__init__(f"the service cannot use its database now: {why}", why=why)


class CannotServe(Error):
    """The service cannot start where it was told to: the address, or the data folder."""

    code = "REHOST.1003"


class BadConfiguration(Error):
    """A configuration file, variable or option has a value that cannot be used."""

    code = "REHOST.1002"


class NotYourResource(Error):
    """An agent's credential is for its own source, and that one's tasks, only."""

    code = "SMS.2248"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, resource_id: str, kind: str = "source server") -> None:
        super().__init__(f"this credential is not for {kind} {resource_id!r}")


class SourceBusy(Error):
    """The source has a task that runs; stop or finish the task first."""

    code = "REHOST.4090"
    status = HTTPStatus.CONFLICT

    def __init__(self, source_id: str, task_id: str) -> None:
        super().__init__(
            f"source server {source_id!r} has the running task {task_id!r}; stop it first",
            source_id=source_id,
            task_id=task_id,
        )


class IdentityNotFound(Error):
    """There is no such user, role, project, domain or access key."""

    code = "REHOST.4040"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, kind: str, name: str, domain: str = "") -> None:
        where = f" in domain {domain!r}" if domain else ""
        super().__init__(f"there is no {kind} {name!r}{where}", name=name)


class IdentityExists(Error):
    """There is a user, role, project or domain of this name already."""

    code = "REHOST.4091"
    status = HTTPStatus.CONFLICT

    def __init__(self, kind: str, name: str, domain: str = "") -> None:
        where = f" in domain {domain!r}" if domain else ""
        super().__init__(f"there is a {kind} {name!r}{where} already", name=name)


class MigprojectNotFound(Error):
    """The migration project was never created, has been deleted, or is another project's."""

    code = "REHOST.4042"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, migproject_id: str) -> None:
        super().__init__(
            f"migration project {migproject_id!r} not found", migproject_id=migproject_id
        )


class NameTaken(Error):
    """Names of this kind of resource are unique in a project, and this one is taken."""

    code = "REHOST.4092"
    status = HTTPStatus.CONFLICT

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"body field name: there is a {kind} {name!r} already", name=name)


class MigprojectIsDefault(Error):
    """The default migration project cannot be deleted; make another one the default first."""

    code = "REHOST.4093"
    status = HTTPStatus.CONFLICT

    def __init__(self, migproject_id: str) -> None:
        super().__init__(
            f"migration project {migproject_id!r} is the default; make another one the default, "
            "then delete it",
            migproject_id=migproject_id,
        )


class MigprojectNotEmpty(Error):
    """Source servers belong to the migration project; move or delete them first."""

    code = "REHOST.4094"
    status = HTTPStatus.CONFLICT

    def __init__(self, migproject_id: str, sources: int) -> None:
        super().__init__(
            f"{sources} source servers belong to migration project {migproject_id!r}; move them "
            "to another one or delete them first",
            migproject_id=migproject_id,
        )


class TemplateNotFound(Error):
    """The server template was never created, has been deleted, or is another project's."""

    code = "REHOST.4043"
    status = HTTPStatus.NOT_FOUND

    def __init__(self, template_id: str) -> None:
        super().__init__(f"server template {template_id!r} not found", template_id=template_id)


class NotYourTemplate(Error):
    """An agent sees no server template but that of its own source's task."""

    code = "REHOST.4031"
    status = HTTPStatus.FORBIDDEN

    def __init__(self, template_id: str) -> None:
        super().__init__(
            f"server template {template_id!r} is not that of this source's task",
            template_id=template_id,
        )


class TokenNotFound(Error):
    """The token asked about is not a user's token, or it has expired or was revoked."""

    code = "REHOST.4041"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("the token in X-Subject-Token is wrong, expired or revoked")


class Ambiguous(Error):
    """A name or the beginning of an id fits several things; the message lists their ids."""

    code = "REHOST.9004"
    status = HTTPStatus.MULTIPLE_CHOICES

    def __init__(self, wanted: str, ids: tuple[str, ...], kind: str = "sources") -> None:
        some = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        super().__init__(
            f"{wanted!r} fits {len(ids)} {kind}; say more of the id: {some}",
            wanted=wanted,
        )


class ApiError(Error):
    """The service answered with an error; code, HTTP status and message are the service's own."""

    code = "REHOST.9000"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: HTTPStatus,
        request_id: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.retryable = status >= 500 or status == HTTPStatus.TOO_MANY_REQUESTS


class KeystoneUnreachable(Error):
    """The external Keystone that must validate the token did not answer; wait and try again."""

    code = "REHOST.5030"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retryable = True

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"Keystone at {url} cannot validate the token now: {why}", url=url)


class ServiceUnreachable(Error):
    """No answer from the service: network, address, or the service itself; wait and try again."""

    code = "REHOST.9001"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retryable = True


class ServiceNotTrusted(Error):
    """The service's certificate is not the pinned one, or no trusted authority vouches for it."""

    code = "REHOST.9002"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retryable = True  # a certificate is renewed, a clock is set


class BadAnswer(Error):
    """What answered is not a Rehost service, or something between changed its answer."""

    code = "REHOST.9003"
    status = HTTPStatus.BAD_GATEWAY
    retryable = True  # a proxy's own page while the service restarts


class HostError(Error):
    """The machine did not answer a question about itself; the message says which, and why."""

    code = "REHOST.6000"


class CommandMissing(HostError):
    """A program is not installed on the machine."""

    code = "REHOST.6001"

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} is not installed", program=program)


class CommandFailed(HostError):
    """A program ended with an error; the message holds the last line it wrote about it."""

    code = "REHOST.6002"

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"{command} failed: {said}", command=command)


class CommandTimedOut(HostError):
    """A program did not end within its time limit and was killed."""

    code = "REHOST.6003"
    retryable = True

    def __init__(self, command: str, limit_s: float) -> None:
        super().__init__(f"{command} did not end within {limit_s:g} s", command=command)


class FileMissing(HostError):
    """There is no such file, folder or device on the machine."""

    code = "REHOST.6004"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} does not exist", path=path)


class FileUnreadable(HostError):
    """A file, folder or device is there but cannot be read, often for want of root."""

    code = "REHOST.6005"

    def __init__(self, path: str, said: str) -> None:
        super().__init__(f"cannot read {path}: {said}", path=path)


class BadFormat(HostError):
    """What a tool printed or a disk holds does not follow the format it should be in."""

    code = "REHOST.6006"


class ProgramFailed(Error):
    """A program that this one started ended or hangs; the message has the end of what it said."""

    code = "REHOST.9020"

    def __init__(self, name: str, how: str, said: str = "") -> None:
        super().__init__(f"{name} {how}" + (f"; it said:\n{said}" if said else ""), name=name)


class SourceGone(Error):
    """The service does not know this agent's credential any more: its source was deleted."""

    code = "REHOST.9010"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self, service: str, said: str) -> None:
        super().__init__(
            f"{service} no longer knows this machine ({said}); if it was deleted there on "
            "purpose, run `rehost-agent uninstall`, else get a line from `rehost enroll` and "
            "register again"
        )


class OtherMachine(Error):
    """The agent's stored credential was made for another machine, whose disk was cloned."""

    code = "REHOST.9011"
    status = HTTPStatus.CONFLICT

    def __init__(self, source_id: str, why: str) -> None:
        super().__init__(
            f"the stored credential belongs to source {source_id}, which is another machine "
            f"({why}); this one looks like its clone: get a line from `rehost enroll` and "
            "register this machine with a code of its own",
            source_id=source_id,
        )


class NotRegistered(Error):
    """The agent has no usable credential in its state folder; register the machine first."""

    code = "REHOST.9012"
    status = HTTPStatus.UNAUTHORIZED


class StateNotWritable(Error):
    """The agent cannot keep its credential safely in its state folder."""

    code = "REHOST.9013"


class AlreadyRunning(Error):
    """Another agent runs with the same state folder; two would answer for one machine."""

    code = "REHOST.9014"
    status = HTTPStatus.CONFLICT


class CannotInstall(Error):
    """The agent cannot be made a service of this machine."""

    code = "REHOST.9015"
