"""What scripts/demo runs: a service and the agent of this machine, for as long as one looks.

With --full, a whole machine is built, migrated and started instead: see demo_full. Everything is
kept in a temporary folder, which goes with the demo; this machine is only read.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from rehost.cli import demo_migration, demo_service, exits, output
from rehost.cli.demo_disk import make_disk
from rehost.cli.demo_service import USER, Place, heading, step
from rehost.cli.document import Json, text
from rehost.contract.client import Client
from rehost.contract.credentials import Token
from rehost.system import process
from rehost.system.process import Process


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Rehost at work.")
    parser.add_argument(
        "--full",
        action="store_true",
        help="build a machine, migrate it while it works, and start it at its new place",
    )
    parser.add_argument(
        "--keep", action="store_true", help="with --full: leave all of it running until Ctrl-C"
    )
    options = parser.parse_args()
    if options.keep and not options.full:
        parser.error("--keep goes with --full")
    demo_service.heed_signals()
    if options.full:
        from rehost.cli.demo_full import demo_full

        sys.exit(exits.guard(lambda: demo_full(keep=options.keep)))
    sys.exit(exits.guard(demo))


def demo() -> None:
    """Raises ProgramFailed or another Error; cleans up whatever happens."""
    out = output.console()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rehost-demo-"))
        port = stack.enter_context(demo_service.free_port())
        place = demo_service.settle(Path(folder), port)
        disk = place.folder / "small-disk.img"
        with step(out, "starting the service"):
            service = stack.enter_context(demo_service.serving(place))
        with step(out, f"creating the user {USER}"):
            token = demo_service.create_operator(place)
        client = Client(place.service, Token(token))
        with step(out, "making a small disk"):
            make_disk(disk)
        with step(out, "starting the agent of this machine"):
            agent = stack.enter_context(_agent(place, client, disk))
        with step(out, "waiting for the checks"):
            source = demo_service.wait_for_checks(client, agent)
        demo_service.show(out, source)
        demo_migration.migrate(out, client, text(source, "id"), disk, place.data)
        _show_for_programs(out, client, source, place, token)
        if sys.stdout.isatty():
            demo_service.stay(out, place, token, [service, agent])


@contextmanager
def _agent(place: Place, client: Client, disk: Path) -> Iterator[Process]:
    """Register this machine with an enrolment code, as a real source does, and start its agent.

    `disk` goes with this machine's own disks.
    """
    code = client.call("POST", "/v3/rehost/enrolments", body={"hours": 1}).body["code"]
    state = ("--state-dir", str(place.folder / "agent"))
    more = ("--disk", str(disk), *state)
    register = ("register", "--service", place.service, "--code", code, *more)
    process.run(_rehost_agent(*register), name="`rehost-agent register`", environ=place.environ)
    with process.running(
        _rehost_agent("run", *state),
        name="the agent",
        log=place.folder / "agent.log",
        environ=place.environ,
    ) as agent:
        yield agent


def _show_for_programs(
    out: Console, client: Client, source: Json, place: Place, token: str
) -> None:
    path = f"/v3/sources/{text(source, 'id')}"
    url = f"{place.service}{path}"
    heading(out, "The same for programs")
    out.print(f'curl -H "X-Auth-Token: {token}" {url}', markup=False, soft_wrap=True)
    out.print()
    out.file.flush()
    output.show_json(client.call("GET", path).body)


def _rehost_agent(*args: str) -> list[str]:
    return [sys.executable, "-m", "rehost.agent", *args]


if __name__ == "__main__":
    main()
