"""The agent on a source server."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rehost import __version__
from rehost.agent import report
from rehost.system.host import LiveHost


def main(argv: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    if options.command == "capture":
        report.capture(options.folder)
    else:
        report.print_report(LiveHost(), as_json=options.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rehost-agent", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    discover = commands.add_parser("discover", help="show what this machine is; changes nothing")
    discover.add_argument("--json", action="store_true", help="the whole report")
    capture = commands.add_parser("capture", help="record this machine for a test or a bug report")
    capture.add_argument("folder", type=Path, help="where the recording goes")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
