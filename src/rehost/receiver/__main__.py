"""`python -m rehost.receiver CONFIG.json`: write what a task's agent sends to the task's disks."""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rehost.contract.transfer import NO_PORT
from rehost.errors import Error
from rehost.stream_errors import NoPortFree
from rehost.system import log as logs
from rehost.system.block_io import keep_freed_memory

log = logging.getLogger("rehost.receiver")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rehost.receiver", description=__doc__)
    parser.add_argument("config", type=Path, help="a ReceiverConfig as JSON")
    args = parser.parse_args(argv)
    logs.to(sys.stderr)
    try:
        _receive(args.config)
    except Error as e:
        log.error("%s (%s)", e, e.code)
        return NO_PORT if isinstance(e, NoPortFree) else 1
    return 0


def _receive(file: Path) -> None:
    from rehost.receiver.config import read_config
    from rehost.receiver.server import Server
    from rehost.receiver.store import Store

    config = read_config(file)
    keep_freed_memory()
    with Store(config.folder, config.disks) as store:
        server = Server(config, store)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
        print(json.dumps({"port": server.port}), flush=True)
        server.run()


if __name__ == "__main__":
    sys.exit(main())
