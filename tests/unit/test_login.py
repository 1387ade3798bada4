import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rehost.control import authority, passwords
from rehost.control.agent_programs import AgentPrograms
from rehost.control.config import ServeConfig
from rehost.control.heartbeat import Heartbeats
from rehost.control.login import DomainRef, Named, Scope, find_session, log_in
from rehost.control.services import Services
from rehost.control.store import identity
from rehost.control.throttle import FREE_PAIR
from rehost.errors import NotAuthenticated, TooManyRequests
from tests.unit.identities import house

PASSWORD = "correct horse"
ANN = Named(name="ann", domain=DomainRef(name="default"))


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def services(home) -> Services:
    auth = home.authenticator()
    return Services(
        config=ServeConfig(data=home.data),
        database=home.database,
        hot=auth._hot,
        heartbeats=Heartbeats(home.database, poll_interval=30),
        auth=auth,
        keys=home.keys,
        authority=authority.load(home.data),
        pin=None,
        agents=AgentPrograms(zip=b"", installer=b"", digest=""),
        writers=ThreadPoolExecutor(1),
        strangers=ThreadPoolExecutor(1),
    )


@pytest.fixture
def ann(home):
    user = home.user(one="reader", two="admin")
    with home.database.write() as db:
        identity.set_password(db, user, password_hash=passwords.new_hash(PASSWORD))
    return user


def enter(services, scope=None, password=PASSWORD):
    return log_in(services, ANN, password, scope or Scope(), address="1.2.3.4")


def test_without_a_scope_it_is_the_first_project(services, ann):
    _, session = enter(services)
    assert session.project is not None
    assert session.project.name == "one"
    assert [grant.role for grant in session.grants] == ["reader"]


def test_a_domain_has_the_roles_in_all_its_projects(services, ann):
    _, session = enter(services, Scope(domain=DomainRef(name="default")))
    assert session.project is None
    assert [grant.role for grant in session.grants] == ["reader", "admin"]


def test_a_password_changed_during_the_log_in_counts(services, home, ann, monkeypatch):
    check = passwords.matches

    def changed_meanwhile(stored: str | None, password: str) -> bool:
        with home.database.write() as db:
            identity.set_password(db, ann, password_hash="new")
        return check(stored, password)

    monkeypatch.setattr(passwords, "matches", changed_meanwhile)
    with pytest.raises(NotAuthenticated):
        enter(services)


def test_one_who_is_sent_away_because_of_a_crowd_has_not_failed(services, ann, monkeypatch):
    monkeypatch.setattr(passwords, "_ADMITTED", threading.BoundedSemaphore(1))
    with passwords.admitted():
        for _ in range(FREE_PAIR + 1):
            with pytest.raises(TooManyRequests, match="many log-ins"):
                enter(services)
    assert enter(services)


def test_a_user_without_a_role_does_not_get_in(services, home, ann):
    with home.database.write() as db:
        for grant in identity.grants_of(db, ann.id):
            identity.revoke(db, ann, grant.project)
    for scope in (Scope(), Scope(domain=DomainRef(name="default"))):
        with pytest.raises(NotAuthenticated, match="role"):
            enter(services, scope)


def test_an_agents_credential_is_no_session(services, home):
    project = home.project()
    token = home.agent(project, home.source(project))
    with home.database.read() as db:
        assert find_session(db, token) is None
