"""The service as it is, with one more route that answers constant bytes: the floor."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from litestar import Litestar, Response, get

from rehost.control import serve, worker
from rehost.control.config import ServeConfig

BODY_BYTES = 7000
CONSTANT = b'{"text":"' + b"x" * (BODY_BYTES - 11) + b'"}'


@get("/constant", include_in_schema=False, sync_to_thread=False)
def constant() -> Response[bytes]:
    return Response(CONSTANT, media_type="application/json")


def application() -> Litestar:
    app = worker.application()
    app.register(constant)
    return app


class Serving:
    """A server on loopback as long as the context lasts; gives its process id."""

    def __init__(self, data: Path, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._words = [sys.executable, "-m", "bench.server", str(data), str(port)]

    def __enter__(self) -> int:
        self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the server did not start")
            time.sleep(0.1)
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self._url, timeout=1).close()
        except OSError:
            return False
        return True


if __name__ == "__main__":
    folder, listen = sys.argv[1:]
    config = ServeConfig(data=Path(folder), port=int(listen))
    serve.run(serve.prepare(config), "bench.server:application")
