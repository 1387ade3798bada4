"""rehost login, logout, token, enroll: getting in, and letting sources in."""

import hashlib
import sys
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import typer

from rehost.cli import output, session, units
from rehost.cli.session import LOCAL_SERVICE, Session
from rehost.contract.client import Client
from rehost.contract.credentials import Login, Token
from rehost.contract.installer import NAME
from rehost.contract.trust import Trust, pinned
from rehost.errors import ApiError, BadAnswer, Error, NotAuthenticated
from rehost.system.files import write_atomically

commands = typer.Typer()


@commands.command()
def login(  # noqa: PLR0913 - each is an option
    *,
    user: Annotated[str, typer.Option(help="Your user name.", prompt=True)],
    service: Annotated[
        str, typer.Option(envvar="REHOST_SERVICE", help="URL of the service.")
    ] = LOCAL_SERVICE,
    domain: Annotated[str, typer.Option(help="Your user's domain.")] = "default",
    project: Annotated[
        str, typer.Option(help='Project to work in; "" is all of the domain.')
    ] = "default",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="REHOST_CA_FILE", help="PEM file of the service's certificate or authority."
        ),
    ] = None,
    pin: Annotated[
        str | None, typer.Option(help="sha256:... of the service's certificate, as it prints it.")
    ] = None,
    insecure_http: Annotated[
        bool, typer.Option("--insecure-http", help="Allow plain http to another machine.")
    ] = False,
) -> None:
    """Log in; the token is kept in ~/.config/rehost/session.json, for you alone."""
    trust = _trust(service, ca_file, pin, insecure_http=insecure_http)
    kept = Session(
        service=service.rstrip("/"),
        token="",
        user=user,
        certificates=trust.certificates,
        pin=trust.pin,
        check_host_name=trust.check_host_name,
        insecure_http=insecure_http,
    )
    credentials = Login(
        user=user, password=_password(password_stdin), domain=domain, project=project or None
    )
    kept = _log_in(kept, credentials.body())
    session.save(kept)
    output.note(f"Logged in to {kept.service} as {user}, until {kept.expires_at or 'it expires'}.")


@commands.command()
def logout() -> None:
    """Revoke the token that `rehost login` kept, and forget it."""
    kept = session.load()
    if not session.forget() or kept is None:
        output.note("You were not logged in.")
        return
    try:
        _revoke(kept)
    except Error as e:
        # Forgotten it is all the same: nobody who logs out wants the token to stay here.
        until = kept.expires_at or "it expires"
        output.note(f"Logged out here, but the token stays valid until {until}: {e}")
        return
    output.note("Logged out.")


@commands.command()
def token() -> None:
    """Print a token, as in: curl -H "X-Auth-Token: $(rehost token)" ..."""
    print(session.token())


@commands.command()
def enroll(
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long the code is valid.")] = 24,
    offline: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write the agent to this folder, to be brought to the source server by hand.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The service's JSON.")] = False,
) -> None:
    """Print the line to paste on a source server, as root; it is good for one machine."""
    client = session.connect()
    enrolment = client.call("POST", "/v3/rehost/enrolments", body={"hours": hours}).body
    if offline is not None:
        _fetch_agent(client, offline, enrolment["digest"])
    if as_json:
        output.show_json(enrolment)
        return
    valid = units.plural(hours, "hour")
    if offline is None:
        output.note(
            f"Paste this on one source server, as a user who may use sudo; valid for {valid}:"
        )
        print(enrolment["line"])
        return
    output.note(
        f"Bring {offline / NAME} to the source server, and run this where it is, as a user who "
        f"may use sudo; valid for {valid} and for one server, the file for any:"
    )
    print(enrolment["offline_line"])


def _fetch_agent(client: Client, folder: Path, digest: str) -> None:
    content = client.download(f"/agent/{NAME}")
    if hashlib.sha256(content).hexdigest() != digest:
        raise BadAnswer("the service was upgraded just now; try again")
    try:
        write_atomically(folder / NAME, content, mode=0o644)
    except OSError as e:
        raise typer.BadParameter(f"cannot write {folder / NAME}: {e.strerror}") from e


def _trust(service: str, ca_file: Path | None, pin: str | None, *, insecure_http: bool) -> Trust:
    certificates = session.read_certificates(ca_file) if ca_file else None
    trust = Trust(certificates=certificates, pin=pin, insecure_http=insecure_http)
    return pinned(service, trust, timeout_s=10) if pin else trust


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "there is no terminal to ask for the password; use --password-stdin"
        )
    return str(typer.prompt("Password", hide_input=True, err=True))


def _revoke(kept: Session) -> None:
    client = Client(kept.service, Token(kept.token), kept.trust)
    try:
        client.call("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": kept.token})
    except ApiError as e:
        if e.status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND):  # expired, or revoked
            raise


def _log_in(wanted: Session, body: object) -> Session:
    try:
        answer = Client(wanted.service, None, wanted.trust).call(
            "POST", "/v3/auth/tokens", body=body
        )
    except ApiError as e:
        if e.status is HTTPStatus.UNAUTHORIZED:
            raise NotAuthenticated(f"{wanted.service} did not let you in: {e}") from e
        raise
    if not (given := answer.headers.get("x-subject-token")):
        raise BadAnswer(f"{wanted.service} gave no token; is it a Rehost service?")
    expires_at = str(((answer.body or {}).get("token") or {}).get("expires_at") or "")
    return replace(wanted, token=given, expires_at=expires_at)
