import subprocess
from pathlib import Path

import pytest

from rehost.contract.bundle import agent_executable

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The executable's Python, made now if it is not in the cache."""
    built = subprocess.run(
        [ROOT / "scripts/runtime/build"], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(built.stdout.strip())


@pytest.fixture(scope="session")
def executable(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("executable") / "rehost-agent"
    file.write_bytes(agent_executable(runtime.read_bytes()))
    file.chmod(0o755)
    return file
