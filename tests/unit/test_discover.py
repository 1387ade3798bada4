import json
import subprocess
import sys
from pathlib import Path

from rehost.agent import report
from rehost.contract.codec import encode
from rehost.stages.discover import discover
from rehost.system.recording import RecordedHost

SOURCE = Path(__file__).parents[2] / "src"


def test_a_recording_of_this_machine_gives_its_report(tmp_path):
    report.capture(tmp_path)
    again = discover(RecordedHost(tmp_path), agent_version="")
    expected = json.loads((tmp_path / "report.json").read_text())
    assert encode(again) == {**expected, "agent_version": ""}


def test_the_agent_needs_only_the_standard_library():
    program = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import rehost.agent.__main__ as a"
    argv = [sys.executable, "-I", "-S", "-c", program + "; a.main(['discover', '--json'])"]
    printed = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert json.loads(printed)["os_type"] == "LINUX"
