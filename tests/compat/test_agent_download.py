import hashlib
import json
import subprocess
import sys
import urllib.request

from tests.compat.conftest import Service


def test_downloaded_agent_discovers_this_machine_with_the_standard_library_alone(
    service: Service, tmp_path
):
    file = tmp_path / "rehost-agent.pyz"
    with urllib.request.urlopen(f"{service.url}/agent/rehost-agent.pyz") as answer:
        assert answer.headers["Content-Type"] == "application/octet-stream"
        file.write_bytes(answer.read())
    again = urllib.request.urlopen(f"{service.url}/agent/rehost-agent.pyz")
    with again:
        assert hashlib.sha256(again.read()).digest() == hashlib.sha256(file.read_bytes()).digest()
    printed = subprocess.run(
        [sys.executable, "-I", "-S", str(file), "discover", "--json"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert json.loads(printed)["disks"]
