"""An application whose processes take long to start: `python -m tests.compat.slow_application`."""

import sys
import time
from pathlib import Path

from litestar import Litestar

from rehost.control import serve
from rehost.control.config import ServeConfig

SLOW_S = 3


def application() -> Litestar:
    print("starting", flush=True)
    time.sleep(SLOW_S)
    return Litestar()


if __name__ == "__main__":
    folder, port = sys.argv[1:]
    config = ServeConfig(data=Path(folder), port=int(port))
    serve.run(config, "tests.compat.slow_application:application")
