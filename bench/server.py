"""The service as it is, with one more route that answers constant bytes: the floor."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from litestar import Litestar, Response, get

from rehost.control.config import ServeConfig
from rehost.control.serve import prepare, run

BODY_BYTES = 7000
CONSTANT = b'{"text":"' + b"x" * (BODY_BYTES - 11) + b'"}'


@get("/constant", include_in_schema=False, sync_to_thread=False)
def constant() -> Response[bytes]:
    return Response(CONSTANT, media_type="application/json")


def application() -> Litestar:
    from rehost.control.serve import application as real

    app = real()
    app.register(constant)
    return app


@contextmanager
def serving(data: Path, port: int, *, workers: int = 1) -> Iterator[str]:
    """A server process on loopback; yields its URL."""
    words = [sys.executable, "-m", "bench.server", str(data), str(port), str(workers)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _await(url: str) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    folder, listen, processes = sys.argv[1:]
    run(
        prepare(ServeConfig(data=Path(folder), port=int(listen), workers=int(processes))),
        "bench.server:application",
    )
