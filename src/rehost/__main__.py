"""Starts the program `rehost`. The service's worker processes import this file too, so what the
program is made of is imported when it runs."""

import sys


def main() -> None:
    from rehost.cli import exits
    from rehost.program import program

    sys.exit(exits.guard(lambda: program(prog_name="rehost")))


if __name__ == "__main__":
    main()
