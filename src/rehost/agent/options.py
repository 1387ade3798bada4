"""Options of `register` and `install`: where the service is, and by what right to register."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from rehost.agent.registration import Registration
from rehost.agent.state import DEFAULT_FOLDER
from rehost.contract.credentials import Credentials, EnrolmentCode, KeyPair, Token
from rehost.contract.trust import Trust, check_url, normal_pin
from rehost.errors import BadConfiguration

SECRET_VARIABLE = "REHOST_SK"  # noqa: S105 - its name, not its value


def add_state(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="DIR",
        help="where the credential is kept, for its owner alone (default: %(default)s)",
    )


def add_registration(parser: ArgumentParser) -> None:
    parser.add_argument("--service", metavar="URL", help="the service, as https://host:port")
    who = parser.add_argument_group("by what right (one of these)")
    who.add_argument("--code", help="one-time code from `rehost enroll`")
    who.add_argument("--token-file", type=Path, metavar="FILE", help="file with an X-Auth-Token")
    who.add_argument(
        "--ak",
        help=f"access key; its secret comes from --sk-file or the variable {SECRET_VARIABLE}",
    )
    who.add_argument("--sk-file", type=Path, metavar="FILE", help="file with the secret key")
    who.add_argument("--project-id", metavar="ID", help="project to register in, with --ak")
    tls = parser.add_argument_group("how the service is recognised (default: by known authorities)")
    tls.add_argument("--pin", metavar="sha256:HEX", help="digest of the service's certificate")
    tls.add_argument("--ca-file", type=Path, metavar="FILE", help="PEM of the service's authority")
    tls.add_argument(
        "--insecure-http", action="store_true", help="allow http:// to another machine"
    )
    parser.add_argument("--name", help="name of the source (default: this machine's)")
    parser.add_argument(
        "--disk",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="an image file, or a loop device, that is migrated like a disk of this machine; "
        "may be given several times",
    )
    add_state(parser)


def registration(options: Namespace) -> Registration:
    """Raises BadConfiguration, before anything is asked or written."""
    if not options.service:
        raise BadConfiguration("--service is missing: the URL of the service to register with")
    if options.name is not None and not 1 <= len(options.name) <= 64:
        raise BadConfiguration("--name must have 1 to 64 characters")
    trust = _trust(options)
    check_url(options.service, trust)
    return Registration(
        service=options.service.rstrip("/"),
        credentials=_credentials(options),
        trust=trust,
        name=options.name,
        disks=tuple(str(_existing(disk)) for disk in options.disk),
    )


def has_credentials(options: Namespace) -> bool:
    return any((options.service, options.code, options.token_file, options.ak))


def _credentials(options: Namespace) -> Credentials:
    given = [name for name in ("code", "token_file", "ak") if getattr(options, name)]
    if len(given) != 1:
        raise BadConfiguration("give exactly one of --code, --token-file and --ak")
    if options.code:
        return EnrolmentCode(options.code)
    if options.token_file:
        return Token(_read(options.token_file))
    secret = _read(options.sk_file) if options.sk_file else os.environ.get(SECRET_VARIABLE, "")
    if not secret:
        raise BadConfiguration(
            f"--ak needs its secret key in the file of --sk-file or in {SECRET_VARIABLE}"
        )
    return KeyPair(access=options.ak, secret=secret, project_id=options.project_id)


def _trust(options: Namespace) -> Trust:
    if options.pin and options.ca_file:
        raise BadConfiguration("give --pin or --ca-file, not both")
    return Trust(
        certificates=_read(options.ca_file) if options.ca_file else None,
        pin=normal_pin(options.pin) if options.pin else None,
        insecure_http=options.insecure_http,
    )


def _existing(disk: Path) -> Path:
    try:
        return disk.resolve(strict=True)
    except OSError as e:
        raise BadConfiguration(f"--disk: cannot read {disk}: {e.strerror}") from e


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        raise BadConfiguration(f"cannot read {file}: {e}") from e
