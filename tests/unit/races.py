"""Processes that do the same thing at the same moment."""

import subprocess
import sys
from pathlib import Path

WAITS = "import sys; from pathlib import Path\n{imports}\nsys.stdin.readline()\n{program}"


def printed_at_once(imports: str, program: str, folder: Path) -> set[str]:
    """What each of four processes printed; `program` has the folder as sys.argv[1]."""
    waiting = WAITS.format(imports=imports, program=program)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", waiting, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return {process.communicate()[0] for process in processes}
