"""Promises about the whole code base."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from rehost.control.api import OPERATIONS

ROOT = Path(__file__).parents[2]


def test_agent_starts_with_the_standard_library_alone():
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); import rehost.agent.__main__"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


def test_what_is_wrong_with_a_configuration_is_said_before_much_is_imported():
    code = "import sys, rehost.__main__, rehost.control.serve; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"litestar", "alembic", "keystoneauth1", "typer", "rich", "rehost.control.api"}
    assert not heavy & set(loaded)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_every_operation_says_what_it_does(operation):
    summary = (operation.function.__doc__ or "").strip().split("\n", 1)[0]
    assert summary.endswith(".")


def test_every_operation_is_declared_once():
    names = Counter(o.name for o in OPERATIONS)
    paths = Counter((o.method, o.path) for o in OPERATIONS)
    assert {*names.values(), *paths.values()} == {1}


def test_documents_do_not_point_nowhere():
    plan = ROOT / "docs" / "design.md"  # says where things will be, too
    for document in {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")} - {plan}:
        for word in document.read_text().split("`")[1::2]:
            path = word.split()[0] if word.split() else ""
            if path.startswith(("scripts/", "docs/", "tests/", "src/")) and "<" not in path:
                assert (ROOT / path).exists(), f"{document.name} names {path}"


def test_modules_are_small():
    long = {
        str(file.relative_to(ROOT)): lines
        for file in ROOT.glob("src/**/*.py")
        if (lines := len(file.read_text().splitlines())) > 500
    }
    assert long == {}
