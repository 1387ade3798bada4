"""The program `rehost-agent`."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import rehost
from rehost.agent import install, options, report
from rehost.agent.exits import Exit, exit_of
from rehost.agent.registration import register
from rehost.agent.state import State
from rehost.errors import BadConfiguration, Error
from rehost.system import log as logs
from rehost.system.host import LiveHost

log = logging.getLogger("rehost.agent")

DESCRIPTION = """\
Runs on a server that is to be migrated: tells the Rehost service what this machine is made of, and
asks it for work. It reads the machine and changes nothing on it.
"""
# To start a service, systemd may wait until the network is up.
SYSTEMD_LIMIT_S = 180
EPILOG = "exit codes: " + ", ".join(f"{code:d} {code.meaning}" for code in Exit)


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        args.command(args)
    except Error as e:
        return _explain(e)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # `… | head` is no failure; without this, Python complains again as it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK


def _explain(e: Error) -> int:
    if logging.getLogger().handlers:
        log.error("%s", e)
    else:
        print(f"rehost-agent: {e}", file=sys.stderr)
    return exit_of(e)


def _discover(args: argparse.Namespace) -> None:
    report.print_report(LiveHost(), as_json=args.json)


def _capture(args: argparse.Namespace) -> None:
    report.capture(args.folder)


def _register(args: argparse.Namespace) -> None:
    enrolment = register(LiveHost(), State(args.state_dir), options.registration(args))
    print(f"registered with {enrolment.service} as source {enrolment.source_id}")


def _run(args: argparse.Namespace) -> None:
    from rehost.agent.run import Agent
    from rehost.agent.signals import Signals

    logs.to(sys.stderr, verbose=args.verbose)
    state = State(args.state_dir)
    with Signals() as signals:
        agent = Agent(LiveHost(), state, signals)
        with state.locked():
            agent.run()


def _install(args: argparse.Namespace) -> None:
    state, places = State(args.state_dir), install.Places()
    if not options.has_credentials(args) and not state.file.exists():
        raise BadConfiguration(
            "this machine is not registered yet: give --service and --code; `rehost enroll` "
            "prints the whole line"
        )
    wanted = options.registration(args) if options.has_credentials(args) else None
    systemd = LiveHost(time_limit_s=SYSTEMD_LIMIT_S)
    install.check(systemd, places)
    if wanted:
        enrolment = register(LiveHost(), state, wanted)
        print(f"registered with {enrolment.service} as source {enrolment.source_id}")
    install.install(systemd, state, places)
    print(f"installed and started; see `systemctl status {install.SERVICE}`")


def _uninstall(args: argparse.Namespace) -> None:
    systemd = LiveHost(time_limit_s=SYSTEMD_LIMIT_S)
    install.uninstall(systemd, State(args.state_dir), install.Places())
    print("removed; `rehost sources delete` makes the service forget this machine too")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rehost-agent", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"rehost-agent {rehost.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=what, description=what, epilog=EPILOG)

    sub = add("discover", "Show what this machine is; changes and sends nothing.")
    sub.add_argument("--json", action="store_true", help="the whole report")
    sub.set_defaults(command=_discover)

    sub = add("capture", "Record this machine for a test or a bug report.")
    sub.add_argument("folder", type=Path, help="where the recording goes")
    sub.set_defaults(command=_capture)

    sub = add("register", "Register this machine and keep a credential for it alone.")
    options.add_registration(sub)
    sub.set_defaults(command=_register)

    sub = add("run", "Report this machine's changes and ask for work, until stopped.")
    options.add_state(sub)
    sub.add_argument("--verbose", action="store_true", help="log what is read and sent")
    sub.set_defaults(command=_run)

    sub = add("install", "Register, and make the agent a systemd service of this machine.")
    options.add_registration(sub)
    sub.set_defaults(command=_install)

    sub = add("uninstall", "Stop the agent and leave no trace of it on this machine.")
    options.add_state(sub)
    sub.set_defaults(command=_uninstall)
    return parser


if __name__ == "__main__":
    sys.exit(main())
