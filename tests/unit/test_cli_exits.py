import os
import subprocess
import sys

import pytest

from rehost import errors
from rehost.cli.exits import Exit, guard


def fails_with(e: BaseException) -> int:
    def command() -> None:
        raise e

    return guard(command)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (errors.InvalidRequest("no"), Exit.FAILED),
        (errors.SourceNotFound("x"), Exit.NOT_FOUND),
        (errors.Ambiguous("web", ("a", "b")), Exit.USAGE),
        (errors.ServiceUnreachable("no answer"), Exit.UNREACHABLE),
        (errors.NotAuthenticated("no"), Exit.NOT_PERMITTED),
        (errors.PermissionDenied("a", "b"), Exit.NOT_PERMITTED),
        (ValueError("bug"), Exit.FAILED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (SystemExit(2), Exit.USAGE),
        (SystemExit(None), Exit.OK),
    ],
)
def test_exit_codes(failure, code):
    assert fails_with(failure) == code


def test_failure_is_one_line_without_a_traceback(capsys, monkeypatch):
    monkeypatch.delenv("REHOST_DEBUG", raising=False)
    fails_with(ValueError("bug"))
    fails_with(errors.SourceNotFound("web"))
    assert capsys.readouterr().err.splitlines() == [
        "rehost: unexpected ValueError: bug; REHOST_DEBUG=1 shows where",
        "rehost: source server 'web' not found",
    ]


def test_debug_shows_where(monkeypatch):
    monkeypatch.setenv("REHOST_DEBUG", "1")
    with pytest.raises(ValueError, match="bug"):
        fails_with(ValueError("bug"))


def rehost(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rehost", *args], capture_output=True, text=True, check=False
    )


def test_help_is_quick_and_lists_the_exit_codes():
    before = os.times()
    result = rehost("--help")
    after = os.times()
    spent = after.children_user + after.children_system
    assert spent - before.children_user - before.children_system < 0.5  # seconds of processor
    assert result.returncode == 0
    assert "3 not found" in " ".join(result.stdout.split())


def test_help_imports_nothing_heavy():
    code = "import sys, rehost.program; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"litestar", "sqlalchemy", "cryptography", "granian"} & set(loaded)


def test_version():
    assert rehost("--version").stdout.startswith("rehost 0")


def test_unknown_command_is_wrong_usage():
    assert rehost("frobnicate").returncode == Exit.USAGE


def test_reader_that_leaves_early_is_no_failure():
    program = (
        "import sys, typer; from rehost.cli.exits import guard; app = typer.Typer()\n"
        "@app.command()\ndef long(): print('x' * 1_000_000)\n"
        "sys.exit(guard(app))"
    )
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")
