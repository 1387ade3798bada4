import hashlib
import os
import subprocess

import pytest

from rehost.contract.installer import installer

TAG = "cpython-311-x86_64-linux-gnu"
ZIP = b"a zip\n\x00\xff"
EXECUTABLE = b"""#!/bin/sh
[ "$1" = --version ] || echo executable "$@"
"""
# Stands in for Python: `-c` asks for its tag, --version for its name; else it runs the zip.
PYTHON = """#!/bin/sh
case $* in
    *--version*) echo Python 3 ;;
    *" -c "*) {tag} ;;
    *) cmp -s "$3" {zip} && shift 3 && echo python "$@" ;;
esac
"""


@pytest.fixture
def machine(tmp_path):
    """Gives what the installer prints on a machine with such a Python and such a processor."""
    tools = tmp_path / "bin"
    tools.mkdir()
    zip_ = tmp_path / "zip"
    zip_.write_bytes(ZIP)

    def program(name, content):
        (tools / name).write_text(content)
        (tools / name).chmod(0o755)

    def run(
        *words, python=f"echo {TAG}", executable=EXECUTABLE, architecture="x86_64", damage=False
    ):
        program("python3", PYTHON.format(tag=python, zip=zip_))
        program("uname", f"#!/bin/sh\necho {architecture}\n")
        program("id", "#!/bin/sh\necho 0\n")
        programs = {"rehost-agent.pyz": ZIP, "rehost-agent-linux-x86_64": executable}
        content = installer(programs, {"cpython-310-x", TAG})
        file = tmp_path / "rehost-agent.run"
        file.write_bytes(
            content.replace(b"echo executable", b"echo EXECUTABLE") if damage else content
        )
        folder = tmp_path / "tmp"
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            ["sh", file, *words],
            env={"PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(folder)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert list(folder.iterdir()) == []
        return done

    return run


def test_a_python_that_has_packages_in_the_zip_is_taken(machine):
    done = machine("--service", "https://h:1", "--code", "a b")
    assert done.stdout == "python install --service https://h:1 --code a b\n"
    assert "taking the Python that is here" in done.stderr


@pytest.mark.parametrize("python", ["exit 1", "echo cpython-399-x86_64-linux-gnu", "echo"])
def test_else_the_executable_is(machine, python):
    done = machine("--code", "x", python=python)
    assert done.stdout == "executable install --code x\n"
    assert "taking the executable" in done.stderr


def test_without_words_it_installs_and_others_are_passed_on(machine):
    assert machine().stdout == "python install\n"
    assert machine("uninstall").stdout == "python uninstall\n"
    assert machine("discover", "--json").stdout == "python discover --json\n"


def test_it_can_be_unpacked_alone(machine, tmp_path):
    assert machine("extract", tmp_path / "out", python="exit 1").returncode == 0
    assert (tmp_path / "out").read_bytes() == EXECUTABLE
    assert os.access(tmp_path / "out", os.X_OK)


def test_a_python_without_packages_is_better_than_nothing_and_says_so(machine):
    other = "echo cpython-399-aarch64-linux-gnu"
    done = machine("--code", "x", python=other, architecture="aarch64")
    assert done.stdout == "python install --code x\n"
    assert "to copy disks it lacks packages" in done.stderr
    done = machine("--code", "x", python=other, executable=b"#!/bin/sh\nexit 1\n")
    assert done.stdout == "python install --code x\n"
    assert "glibc" in done.stderr


def test_where_nothing_runs_it_says_what_is_missing(machine):
    done = machine("--code", "x", python="exit 1", architecture="riscv64")
    assert done.returncode == 1
    assert "neither a Python 3.11 or newer here, nor an executable for riscv64" in done.stderr


def test_a_damaged_file_is_not_run(machine):
    done = machine("--code", "x", python="exit 1", damage=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "damaged" in done.stderr


def test_failure_of_the_agent_is_its_own(machine):
    failing = b'#!/bin/sh\n[ "$1" = --version ] || exit 4\n'
    assert machine("--code", "x", python="exit 1", executable=failing).returncode == 4


def test_the_same_programs_give_the_same_bytes():
    first, second = (installer({"rehost-agent.pyz": ZIP}, {"b", "a"}) for _ in range(2))
    assert first == second
    assert first.endswith(ZIP)
    assert hashlib.sha256(ZIP).hexdigest().encode() in first
