"""scripts/demo --full: a machine is built, works, is migrated meanwhile, and starts elsewhere.

Nothing of it is pretended: the machine is a Debian of its own with a boot loader, its agent is
installed with the line that an operator pastes, and the target is what the service's own provider
starts. Whether it lost something, its ledger says.
"""

import os
import sys
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from rich.console import Console

from rehost.cli import demo_console as consoles
from rehost.cli import (
    demo_guard,
    demo_machine,
    demo_move,
    demo_packages,
    demo_service,
    demo_source,
    output,
    units,
)
from rehost.cli.demo_service import USER, Place, heading, say, step
from rehost.cli.demo_source import HOST, Source
from rehost.cli.document import Json, text
from rehost.contract.client import Client
from rehost.contract.credentials import Token
from rehost.providers.qemu import acceleration, options
from rehost.providers.qemu.acceleration import Probed
from rehost.providers.qemu.options import Acceleration
from rehost.system import process

BOOT_S = 900  # emulated, on a busy host
TYPED_S = 300  # for a command on a console
WHEELS_FOR = (3, 11)  # the Python of the machine that is built


def demo_full(*, keep: bool) -> None:
    """Raises an Error; cleans up whatever happens. `keep`: only once somebody has looked."""
    out = output.console()
    with ExitStack() as stack:
        try:
            _show_all(out, stack, keep=keep)
        except KeyboardInterrupt:
            out.print("\nStopping, and removing what the demo made.")
            raise


def _show_all(out: Console, stack: ExitStack, *, keep: bool) -> None:
    began = time.monotonic()
    cached = demo_machine.is_built(demo_machine.cache())
    demo_packages.ensure(out)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rehost-demo-")))
    port = stack.enter_context(demo_service.free_port())
    place = demo_service.settle(folder, port)
    stack.enter_context(demo_guard.guarded(place))
    heading(out, "A machine to migrate")
    image = _build(out)
    probed = _probe(out)
    source = stack.enter_context(_started(image, place, probed))
    heading(out, "A service to migrate it with")
    # Both take a while, so both at once.
    with consoles.connected(source.console) as console:
        with step(out, "starting the service"):
            service = stack.enter_context(
                demo_service.serving(place, *_options(place, port, probed))
            )
        with step(out, f"creating the user {USER}"):
            token = demo_service.create_operator(place)
        with step(out, "the machine starts from its own boot loader") as said:
            console.log_in(limit_s=BOOT_S, heard=said)
    client = Client(place.service, Token(token))
    shown = _install_agent(out, client, source)
    demo_service.show(out, shown)
    moved = demo_move.move(out, client, text(shown, "id"), source, place.data)
    _show_end(out, place, moved)
    since = "From the machine's image of the last time" if cached else "From nothing"
    took = units.duration(int(time.monotonic() - began))
    out.print(f"\n{since} to the target's login prompt in {took}.")
    if keep:
        _say_how_to_look(out, source, moved)
        demo_service.stay(out, place, token, [service, source.qemu])
    else:
        out.print("[dim]All of it is removed now; with --keep it stays until Ctrl-C.[/]")


def _build(out: Console) -> Path:
    with step(out, "building a Debian with systemd, SSH and Python") as said:
        return demo_machine.build(demo_machine.cache(), said)


def _probe(out: Console) -> Probed:
    with step(out, "trying what machines run on here"):
        wanted = Acceleration(os.environ.get("REHOST_QEMU_ACCELERATION", Acceleration.AUTO))
        probed = acceleration.probe(options.qemu(), wanted)
    out.print(f"  {probed.why}", style="dim", markup=False)
    return probed


def _started(image: Path, place: Place, probed: Probed) -> AbstractContextManager[Source]:
    folder = place.folder / "source"
    folder.mkdir()
    return demo_source.running(image, folder, probed)


def _options(place: Place, port: int, probed: Probed) -> tuple[str, ...]:
    """The source calls the service by another name; and what was probed need not be again."""
    _fetch_wheels(place)
    return (
        *("--public-url", f"http://{HOST}:{port}"),
        *("--qemu-acceleration", str(probed.acceleration)),
    )


def _fetch_wheels(place: Place) -> None:
    """What copying needs, where the service's own Python is not like the source's."""
    if sys.version_info[:2] == WHEELS_FOR:
        return
    version = ".".join(map(str, WHEELS_FOR))
    wheels = place.data / "agent-wheels"
    wheels.mkdir(parents=True)
    argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    argv += ["--python-version", version, "-d", str(wheels), "blake3", "backports.zstd"]
    process.run(argv, name="pip download", environ=os.environ, limit_s=TYPED_S)


def _install_agent(out: Console, client: Client, source: Source) -> Json:
    """As an operator does: the line of an enrolment, pasted into a shell of the source."""
    heading(out, "Its agent")
    line = client.call("POST", "/v3/rehost/enrolments", body={"hours": 1}).body["line"]
    out.print(f"root@old-server:~# {line}", style="bold", markup=False, soft_wrap=True)
    with consoles.connected(source.console) as console:
        with step(out, "typing that line on the machine's console"):
            console.quiet(limit_s=TYPED_S)
            said = console.run(line, limit_s=TYPED_S)
        for each in filter(str.strip, said.splitlines()):
            out.print(f"  {each}", style="dim", markup=False)
    with step(out, "waiting for its checks"):
        return demo_service.wait_for_checks(client, source.qemu)


def _show_end(out: Console, place: Place, moved: demo_move.Moved) -> None:
    heading(out, "What is where")
    say(out, "Source", f"still runs, untouched: {place.folder / 'source'}")
    say(out, "Target", f"runs beside it: {moved.folder}")
    say(out, "Service", f"{place.data}, its log {place.folder / 'service.log'}")
    say(out, "Image", f"of the source, for the next time: {demo_machine.cache()}")


def _say_how_to_look(out: Console, source: Source, moved: demo_move.Moved) -> None:
    heading(out, "Look at both")
    program = f"{sys.executable} -m rehost.cli.demo_console"
    say(out, "Source", f"{program} {source.console}")
    say(out, "Target", f"{program} {moved.folder / 'console.sock'}")
    out.print("root has no password there; Ctrl-] leaves the console.", style="dim")
