"""Starts the program `rehost`."""

import sys


def main() -> None:
    from rehost.cli import exits
    from rehost.program import program

    sys.exit(exits.guard(lambda: program(prog_name="rehost")))


if __name__ == "__main__":
    main()
