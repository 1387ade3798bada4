"""A disk that cannot be read in one place."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

FAILING = """\
case $1 in
get_size) stat -c %s {image} ;;
pread)
    if [ $(($4 / 4096)) -le {first} ] && [ $((($4 + $3 - 1) / 4096)) -ge {first} ]; then
        echo EIO bad sector >&2
        exit 1
    fi
    dd if={image} bs=1M iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none ;;
*) exit 2 ;;
esac
"""


@contextmanager
def failing_device(folder: Path, image: Path, *, at: int) -> Iterator[Path]:
    """The image as a block device of which the 4 KiB at `at` fail: nbdkit, as a file, under a
    loop device."""
    script, file = folder / "failing.sh", folder / "failing"
    file.touch()
    script.write_text(FAILING.format(image=image, first=at // 4096))
    script.chmod(0o755)
    server = subprocess.Popen(
        ["nbdfuse", str(file), "--command", "nbdkit", "-s", "sh", str(script)],
        stderr=subprocess.DEVNULL,
    )
    with ExitStack() as cleanup:
        cleanup.callback(server.wait, 20)
        cleanup.callback(subprocess.run, ["fusermount3", "-u", str(file)], check=True)
        until = time.monotonic() + 20
        while file.stat().st_size != image.stat().st_size:
            assert time.monotonic() < until
            time.sleep(0.05)
        device = subprocess.check_output(
            ["losetup", "--find", "--show", "--read-only", file], text=True
        ).strip()
        cleanup.callback(subprocess.run, ["losetup", "--detach", device], check=True)
        yield Path(device)
