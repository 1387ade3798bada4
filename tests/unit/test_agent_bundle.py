import ast
import hashlib
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
    folders = {name.split("/")[1] for name in names if name.count("/") > 1}
    assert folders == {"model", "system", "contract", "storage", "stages", "agent"}
    assert not [name for name in names if name.startswith("rehost/stages/check")]
    assert pyz.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert pyz.stat().st_mode & 0o111


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
