import ast
import hashlib
import io
import json
import subprocess
import sys
import zipfile

import pytest

from rehost.contract import bundle
from rehost.contract.bundle import build_agent_bundle


@pytest.fixture(scope="module")
def pyz(tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "rehost-agent"
    build_agent_bundle(out)
    return out


def run(pyz, *argv):
    return subprocess.run(
        [sys.executable, "-I", "-S", pyz, *argv],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_same_sources_give_the_same_bytes(pyz, tmp_path):
    digest = build_agent_bundle(tmp_path / "again")
    assert digest == hashlib.sha256(pyz.read_bytes()).hexdigest()


def test_only_what_the_agent_needs_is_in_it(pyz):
    names = zipfile.ZipFile(pyz).namelist()
    assert "rehost/agent/rehost-agent.service" in names
    own = [name for name in names if name.startswith("rehost/")]
    folders = {name.split("/")[1] for name in own if name.count("/") > 1}
    assert folders == {"model", "system", "contract", "storage", "stages", "agent"}
    assert not [name for name in names if name.startswith("rehost/stages/check")]
    assert pyz.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert pyz.stat().st_mode & 0o111


def test_what_copying_needs_comes_along_and_is_loaded_from_where_it_is_unpacked(pyz, tmp_path):
    program = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(pyz)!r})
from rehost.contract import packages
folder = packages.unpack(Path({str(pyz)!r}), Path({str(tmp_path)!r}))
packages.unpack(Path({str(pyz)!r}), Path({str(tmp_path)!r}))
sys.path.insert(0, str(folder))
import rehost.agent.copying
from rehost.contract.digest import digest
from rehost.contract.zstd import ZstdCompressor, ZstdDecompressor
assert ZstdDecompressor().decompress(ZstdCompressor().compress(b"x" * 99, 2)) == b"x" * 99
print(digest(memoryview(b"")).hex())
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # Of nothing, from the paper on BLAKE3.
    assert done.stdout.startswith("af1349b9f5f9a1a6a0404dea36dcc949")


def test_packages_for_other_pythons_come_from_wheels(tmp_path):
    wheel = tmp_path / "blake3-1.0-cp313-cp313-manylinux_2_17_x86_64.whl"
    compiled = "blake3/blake3.cpython-313-x86_64-linux-gnu.so"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (
            compiled,
            "blake3/__init__.py",
            "blake3/py.typed",
            "blake3-1.0.dist-info/RECORD",
        ):
            archive.writestr(name, name)
    packed = io.BytesIO(bundle.agent_bundle([wheel]))
    with zipfile.ZipFile(packed) as archive:
        found = {
            n: archive.read(n) for n in archive.namelist() if n.startswith("packages/cpython-313")
        }
    place = "packages/cpython-313-x86_64-linux-gnu"
    assert found == {
        f"{place}/{compiled}": compiled.encode(),
        f"{place}/blake3/__init__.py": b"blake3/__init__.py",
    }


def test_it_runs_on_the_standard_library_alone(pyz):
    assert run(pyz, "--help").returncode == 0
    done = run(pyz, "discover", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["os_type"] == "LINUX"


def test_an_old_python_is_told_what_is_missing():
    # What Python 2.7 and 3.4 parse too: no f-string, no annotation.
    tree = ast.parse(bundle.MAIN, feature_version=(3, 4))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.JoinedStr | ast.AnnAssign)]
    old = b"import sys\nsys.version_info = (3, 6, 8)\nsys.version = '3.6.8 (x)'\n"
    argv = [sys.executable, "-I", "-S", "-c", (old + bundle.MAIN).decode()]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer, this is 3.6.8" in done.stderr
