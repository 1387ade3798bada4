import os
import pwd
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rehost.control import admin, keys
from rehost.control.store import audit, credentials, identity
from rehost.control.store.database import Database
from rehost.errors import BadConfiguration, IdentityExists, IdentityNotFound, InvalidRequest


@pytest.fixture
def rehost(tmp_path, monkeypatch):
    """Run a command on a service's data folder that is not there yet."""
    monkeypatch.setenv("REHOST_DATA", str(tmp_path / "data"))

    def run(*words: str, stdin: str = "") -> str:
        result = CliRunner().invoke(admin.commands, words, input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path / 'data/rehost.db'}")
    yield made
    made.close()


def words_of(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_the_first_user_makes_the_default_project(rehost):
    password = rehost("user", "create", "ann").removeprefix("password: ").strip()
    assert len(password) == 20
    assert words_of(rehost("user", "list"))[1] == [
        "ann",
        "default",
        "yes",
        *["operator", "of", "default"],
    ]
    assert words_of(rehost("project", "list"))[1][:2] == ["default", "default"]


def test_a_given_password_is_not_printed(rehost, database):
    assert rehost("user", "create", "ann", "--password-stdin", stdin="correct horse\n") == ""
    with database.read() as db:
        user = identity.require_user(db, "ann", domain="default")
    assert "correct" not in user.password_hash


def test_a_name_is_taken_once_in_a_domain(rehost):
    rehost("user", "create", "ann")
    rehost("project", "create", "p", "--domain", "other")
    rehost("user", "create", "ann", "--domain", "other", "--project", "p")
    with pytest.raises(IdentityExists):
        rehost("user", "create", "ann")
    with pytest.raises(IdentityExists):
        rehost("project", "create", "p", "--domain", "other")


def test_a_failed_creation_leaves_no_user(rehost):
    rehost("user", "create", "ann")
    with pytest.raises(IdentityNotFound):
        rehost("user", "create", "bob", "--project", "nowhere")
    with pytest.raises(InvalidRequest):
        rehost("user", "create", "bob", "--password-stdin", stdin="short\n")
    assert "bob" not in rehost("user", "list")


def test_a_new_password_ends_log_ins_but_not_keys(rehost, database):
    rehost("user", "create", "ann")
    rehost("user", "key", "create", "ann")
    with database.write() as db:
        user = identity.require_user(db, "ann", domain="default")
        token, _ = credentials.issue_token(db, user, None)
    rehost("user", "set-password", "ann")
    with database.read() as db:
        assert credentials.find_token(db, token) is None
        assert credentials.keys_of(db, user)


def test_a_role_is_given_changed_and_taken(rehost):
    rehost("user", "create", "ann")
    rehost("project", "create", "p2")
    rehost("user", "grant", "ann", "--role", "reader", "--project", "p2")
    assert "operator of default, reader of p2" in rehost("user", "list")
    rehost("user", "grant", "ann", "--role", "admin", "--project", "p2")
    assert "operator of default, admin of p2" in rehost("user", "list")
    rehost("user", "revoke", "ann")
    assert words_of(rehost("user", "list"))[1][3:] == ["admin", "of", "p2"]


def test_a_role_in_another_domain_is_not_given(rehost, database):
    rehost("user", "create", "ann")
    rehost("project", "create", "p", "--domain", "other")
    with database.write() as db:
        user = identity.require_user(db, "ann", domain="default")
        project = identity.require_project(db, "p", domain="other")
        with pytest.raises(IdentityNotFound):
            identity.grant(db, user, project, "admin")


def test_a_key_is_shown_once_and_works(rehost, database, tmp_path):
    rehost("user", "create", "ann")
    access, secret = (
        line.split()[1] for line in rehost("user", "key", "create", "ann").splitlines()
    )
    listed = rehost("user", "key", "list", "ann")
    assert access in listed
    assert secret not in listed
    with database.read() as db:
        stored = db.exec_driver_sql("SELECT secret FROM access_keys").scalar_one()
    assert keys.load(tmp_path / "data").decrypt(stored) == secret
    rehost("user", "key", "delete", "ann", access)
    assert access not in rehost("user", "key", "list", "ann")
    with pytest.raises(IdentityNotFound):
        rehost("user", "key", "delete", "ann", access)


def test_nobody_deletes_anothers_key(rehost):
    rehost("user", "create", "ann")
    rehost("user", "create", "bob")
    access = rehost("user", "key", "create", "ann").split()[1]
    with pytest.raises(IdentityNotFound):
        rehost("user", "key", "delete", "bob", access)


def test_a_deleted_user_is_gone_with_its_keys(rehost, database):
    rehost("user", "create", "ann")
    rehost("user", "key", "create", "ann")
    rehost("user", "delete", "ann")
    with database.read() as db:
        assert db.exec_driver_sql("SELECT count(*) FROM access_keys").scalar_one() == 0
        assert db.exec_driver_sql("SELECT count(*) FROM grants").scalar_one() == 0


@pytest.mark.parametrize(
    "words", [("user", "delete"), ("user", "disable"), ("user", "grant"), ("user", "key", "list")]
)
def test_an_unknown_user_is_named(rehost, words):
    rehost("user", "create", "ann")
    with pytest.raises(IdentityNotFound, match="'bob'"):
        rehost(*words, "bob")


def test_a_mistyped_folder_is_not_a_service_without_users(rehost, tmp_path):
    with pytest.raises(BadConfiguration, match="--data"):
        rehost("user", "list", "--data", str(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


def test_the_program_itself_fails_in_one_sentence(rehost, tmp_path):
    rehost("user", "create", "ann")
    program = [sys.executable, "-m", "rehost", "user", "delete", "bob"]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stderr == "rehost: there is no user 'bob' in domain 'default'\n"


def test_what_an_administrator_does_is_in_the_audit_trail(rehost, database):
    rehost("user", "create", "ann")
    access = rehost("user", "key", "create", "ann").split()[1]
    rehost("user", "disable", "ann")
    rehost("role", "create", "watcher")
    rehost("role", "change", "watcher", "--allow", "sms:server:*", "--deny", "sms:server:delete")
    rehost("user", "grant", "ann", "--role", "watcher")
    with pytest.raises(IdentityNotFound):
        rehost("user", "delete", "bob")
    with database.read() as db:
        owner = identity.require_domain(db, "default")
        entries = audit.page(db, (), owner.id, audit.Filters(), limit=50, offset=0)
    assert [(e.event, e.resource_id) for e in reversed(entries)] == [
        ("createUser", "ann: operator of default"),
        ("createAccessKey", f"ann {access}"),
        ("disableUser", "ann"),
        ("createRole", "watcher: nothing"),
        ("changeRole", "watcher: sms:server:*; not sms:server:delete"),
        ("grantRole", "ann: watcher of default"),
    ]
    assert {(e.caller_kind, e.caller) for e in entries} == {
        ("local", pwd.getpwuid(os.getuid()).pw_name)
    }


def test_a_domain_that_came_with_a_project_is_in_the_audit_trail(rehost, database):
    for name in ("shop", "bank"):
        rehost("project", "create", name, "--domain", "acme")
    with database.read() as db:
        owner = identity.require_domain(db, "acme")
        entries = audit.page(db, (), owner.id, audit.Filters(), limit=50, offset=0)
    assert [(e.event, e.resource_id) for e in reversed(entries)] == [
        ("createDomain", "acme"),
        ("createProject", "shop"),
        ("createProject", "bank"),
    ]
