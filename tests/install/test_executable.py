"""The agent as one program: what it needs of a machine, and that it needs no more."""

import ast
import io
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehost.contract.bundle import agent_bundle
from tests.install.elf import needed_libraries, needed_versions

pytestmark = [pytest.mark.slow, pytest.mark.needs("root", "make", "dpkg-source")]
# Debian 8, Ubuntu 14.04, RHEL and CentOS 7, SLES 12 have this or a newer one.
GLIBC = (2, 17)
MODULES = ("fcntl", "mmap", "os", "resource", "select", "signal", "socket", "ssl")
GLIBC_PARTS = re.compile(r"(lib(c|m|dl|rt|util|pthread)|ld-linux-x86-64)\.so\.\d")


def parts(executable: Path) -> dict[str, bytes]:
    """The program, and the libraries that it loads from itself."""
    found = {"program": executable.read_bytes()}
    with zipfile.ZipFile(executable) as archive:
        names = [name for name in archive.namelist() if name.endswith(".so")]
        return found | {name: archive.read(name) for name in names}


def version(name: str) -> tuple[int, ...]:
    return tuple(map(int, name.removeprefix("GLIBC_").split(".")))


def test_it_needs_no_newer_c_library(executable):
    found = parts(executable)
    assert len(found) >= 3  # blake3 and zstd
    for name, content in found.items():
        needed = needed_versions(content)
        libc = {v for v in needed if v.startswith("GLIBC_")}
        assert libc, name
        assert max(map(version, libc)) <= GLIBC, name
        assert {v.split("_")[0] for v in needed} <= {"GLIBC", "GCC"}, name
        others = {lib for lib in needed_libraries(content) if not GLIBC_PARTS.fullmatch(lib)}
        assert others <= {"libgcc_s.so.1"}, name


@pytest.mark.needs("objdump")
def test_other_readers_see_the_same_versions(executable, tmp_path):
    for name, content in parts(executable).items():
        file = tmp_path / "part"
        file.write_bytes(content)
        said = subprocess.run(
            ["objdump", "-T", file], check=True, capture_output=True, text=True
        ).stdout
        seen = set(re.findall(r"\b((?:GLIBC|GCC)_[0-9.]+)", said))
        assert seen == needed_versions(content), name


@pytest.mark.needs("objdump")
def test_a_library_of_the_machine_finds_nothing_of_ours_in_it(executable):
    said = subprocess.run(
        ["objdump", "-T", executable], check=True, capture_output=True, text=True
    ).stdout
    defined = {line.split()[-1] for line in said.splitlines() if " .text\t" in line}
    assert "PyModule_Create2" in defined
    foreign = {n for n in defined if re.match("SSL_|EVP_|inflate|lzma_|BZ2_|ffi_(call$|prep)", n)}
    assert foreign == set()


def test_it_speaks_tls_and_has_what_copying_needs(executable, tmp_path):
    (tmp_path / "probe.py").write_text("")
    with zipfile.ZipFile(io.BytesIO(executable.read_bytes())) as archive:
        assert {
            name.split("/")[1] for name in archive.namelist() if name.startswith("packages/")
        } == {"cpython-313-x86_64-linux-gnu"}
        versions = archive.read("sources/versions.txt").decode()
    assert re.search(r"^openssl 3\.", versions, re.MULTILINE)
    for arguments in (["--version"], ["discover", "--json"]):
        done = subprocess.run(
            [executable, *arguments], env={}, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_nothing_of_the_machine_s_python_is_used(executable, tmp_path):
    (tmp_path / "argparse.py").write_text("raise SystemExit('not mine')")
    copied = shutil.copy(executable, tmp_path / "agent")
    hostile = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere", "LC_ALL": "C"}
    done = subprocess.run(
        [copied, "--help"], cwd=tmp_path, env=hostile, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    child = [copied, "-m", "rehost.agent.sender"]
    done = subprocess.run(
        child,
        cwd=tmp_path,
        env=hostile,
        input="no job\n",
        check=False,
        capture_output=True,
        text=True,
    )
    assert "REHOST.7018" in done.stdout  # it was told of no packages


def test_its_python_has_every_function_that_the_agent_calls(executable):
    """An older C library has fewer, and Python leaves out what is not there."""
    wanted = sorted(set(calls()))
    assert ("os", "posix_spawn") in wanted
    program = f"import {', '.join(MODULES)}\n"
    program += f"print([n for n in {wanted} if not hasattr(globals()[n[0]], n[1])])\n"
    done = subprocess.run(
        [executable, "-m", "code", "-q"], input=program, check=True, capture_output=True, text=True
    )
    assert "[]" in done.stdout, done.stdout


def calls() -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(io.BytesIO(agent_bundle())) as archive:
        names = [name for name in archive.namelist() if re.fullmatch(r"rehost/.*\.py", name)]
        for file in names:
            for node in ast.walk(ast.parse(archive.read(file))):
                match node:
                    case ast.Attribute(value=ast.Name(id=module), attr=name) if module in MODULES:
                        yield module, name
