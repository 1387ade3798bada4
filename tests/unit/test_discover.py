import json
import subprocess
import sys
from pathlib import Path

import pytest

from rehost.agent import report
from rehost.contract.codec import encode
from rehost.stages.discover import discover
from rehost.system import transcript
from rehost.system.recording import FILE, RecordedHost

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


NEVER_WRONG = {"which", "resolve", "space", "can_bpf"}
ANSWERS = {
    "error": "! FileUnreadable cannot read it: Input/output error\n",
    "hang": "! CommandTimedOut it did not end within 10 s\n",
    "nothing": "",
    "garbage": "\t\x01 | garbage = : \x7f\n\t/ / /\n",
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    report.capture(folder)
    return transcript.load((folder / FILE).read_text())


@pytest.mark.parametrize("answer", ANSWERS)
def test_one_answer_that_is_wrong_does_not_end_discovery(recording, tmp_path, answer):
    for question in recording:
        if question.split()[0] in NEVER_WRONG:
            continue
        wrong = {**recording, question: [ANSWERS[answer]]}
        (tmp_path / FILE).write_text(transcript.dump(wrong))
        try:
            discover(RecordedHost(tmp_path), agent_version="1")
        except Exception as e:
            raise AssertionError(question) from e


def test_time_and_memory(record_property):
    program = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
began = time.monotonic()
import rehost.agent.__main__ as agent
agent.main(["discover", "--json"])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"seconds": time.monotonic() - began, "MiB": peak}), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(SOURCE)],
        check=True,
        capture_output=True,
        text=True,
    )
    for name, value in json.loads(done.stderr).items():
        record_property(name, value)
