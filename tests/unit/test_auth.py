import threading

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from rehost.control.operation import ANONYMOUS
from rehost.control.roles import ADMIN, AGENT, ENROLLED, READER
from rehost.control.store import credentials, identity, sources
from rehost.control.store.schema import enrolments
from rehost.errors import NotAuthenticated
from tests.unit.identities import asks, house

HOUR = 3600 * 1000


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as made:
        yield made


def refused(authenticator, **headers) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        asks(authenticator, **headers)
    return str(caught.value)


def test_who_says_nothing_is_anonymous(home):
    assert asks(home.authenticator()) is ANONYMOUS


def test_a_token_is_its_user_in_its_project(home):
    user = home.user(default="admin", other="reader")
    other = home.project("other")
    caller = asks(home.authenticator(), x_auth_token=home.token(user, other))
    assert caller.user_id == user.id
    assert caller.user_name == "ann"
    assert caller.domain_id == user.domain.id
    assert caller.projects == (other.id,)
    assert caller.project_id == other.id
    assert caller.actions == READER


def test_a_token_for_the_domain_sees_every_project_with_the_least_role(home):
    user = home.user(one="reader", two="admin")
    one, two = home.project("one"), home.project("two")
    home.project("three")
    auth, token = home.authenticator(), home.token(user)
    caller = asks(auth, x_auth_token=token)
    assert caller.projects == (one.id, two.id)
    assert caller.project_id is None
    assert caller.actions == READER
    assert asks(auth, x_auth_token=token, x_project_id=two.id).actions == ADMIN
    assert asks(auth, x_auth_token=token, x_project_id=two.id).projects == (two.id,)


def test_a_project_without_a_role_is_refused(home):
    user = home.user(one="admin")
    foreign = home.project("foreign")
    auth, token = home.authenticator(), home.token(user)
    assert "X-Project-Id" in refused(auth, x_auth_token=token, x_project_id=foreign.id)
    assert "X-Project-Id" in refused(auth, x_auth_token=token, x_project_id="no such")


def test_a_token_for_one_project_stays_there_whatever_the_client_defaults_to(home):
    user = home.user(one="reader", two="admin")
    one, two = home.project("one"), home.project("two")
    auth, token = home.authenticator(), home.token(user, one)
    assert asks(auth, x_auth_token=token, x_project_id=two.id).projects == (one.id,)


def test_a_token_ends_with_its_time_though_nobody_writes(home):
    user = home.user(default="admin")
    auth, token = home.authenticator(), home.token(user, home.project())
    home.ahead = credentials.TOKEN_HOURS * HOUR - 60_000
    assert asks(auth, x_auth_token=token).user_id == user.id
    home.ahead = credentials.TOKEN_HOURS * HOUR
    assert "expired" in refused(auth, x_auth_token=token)


@pytest.mark.parametrize("what", ["revoked", "disabled", "deleted", "role", "password"])
def test_every_process_knows_at_once_when_a_token_ends(home, what):
    user, project = home.user(default="admin"), home.project()
    token = home.token(user, project)
    processes = [home.authenticator(), home.authenticator()]
    for auth in processes:
        assert asks(auth, x_auth_token=token).user_id == user.id
    with home.database.write() as db:
        {
            "revoked": lambda: credentials.revoke_token(db, token),
            "disabled": lambda: identity.set_enabled(db, user, enabled=False),
            "deleted": lambda: identity.delete_user(db, user),
            "role": lambda: identity.revoke(db, user, project),
            "password": lambda: identity.set_password(db, user, password_hash="new"),
        }[what]()
    for auth in processes:
        refused(auth, x_auth_token=token)


def test_a_changed_role_counts_from_the_next_request(home):
    user, project = home.user(default="admin"), home.project()
    auth, token = home.authenticator(), home.token(user, project)
    assert "sms:server:delete" in asks(auth, x_auth_token=token).actions
    with home.database.write() as db:
        identity.grant(db, user, project, "reader")
    assert "sms:server:delete" not in asks(auth, x_auth_token=token).actions


def test_revoking_one_token_leaves_the_others(home):
    user = home.user(default="admin")
    first, second = home.token(user), home.token(user)
    with home.database.write() as db:
        assert credentials.revoke_token(db, first)
        assert not credentials.revoke_token(db, first)
    auth = home.authenticator()
    refused(auth, x_auth_token=first)
    assert asks(auth, x_auth_token=second).user_id == user.id


def test_the_database_holds_no_token_code_or_secret(home):
    user, project = home.user(default="admin"), home.project()
    home.source(project)
    token, code, agent = home.token(user), home.code(project), home.agent(project)
    with home.database.write() as db:
        access, secret = credentials.create_key(db, user, home.keys)
        tables = sa.inspect(db).get_table_names()
        rows = [row for name in tables for row in db.execute(sa.text(f"SELECT * FROM {name}"))]
    home.database.close()
    # SQLite's files too, where what was deleted may linger.
    files = b"".join(f.read_bytes() for f in home.data.glob("rehost.db*"))
    stored = repr(rows).encode() + files
    assert access.encode() in stored
    for hidden in (token, code, code.replace("-", ""), agent, secret):
        assert hidden.encode() not in stored


def test_an_agent_sees_its_own_source_with_an_agents_actions(home):
    project = home.project()
    token = home.agent(project, home.source(project))
    home.ahead = 10 * 365 * 24 * HOUR
    caller = asks(home.authenticator(), x_auth_token=token, x_project_id="of no account")
    assert (caller.source_id, caller.user_id) == ("s1", None)
    assert caller.projects == (project.id,)
    assert caller.domain_id == project.domain.id
    assert caller.actions == AGENT


def test_a_new_agent_credential_ends_the_old_and_the_source_ends_both(home):
    project = home.project()
    home.source(project)
    auth, old, new = home.authenticator(), home.agent(project), home.agent(project)
    refused(auth, x_auth_token=old)
    assert asks(auth, x_auth_token=new).source_id == "s1"
    with home.database.write() as db:
        sources.delete(db, ["s1"])
    refused(auth, x_auth_token=new)


def test_an_enrolment_code_may_register_and_nothing_else(home):
    project = home.project()
    code = home.code(project)
    caller = asks(home.authenticator(), x_enrolment_code=code)
    assert caller.actions == ENROLLED
    assert caller.projects == (project.id,)
    assert caller.project_id == project.id
    assert caller.domain_id == project.domain.id
    assert caller.enrolment == credentials.code_digest(code)


def test_an_enrolment_code_is_read_as_people_type_it(home):
    code = home.code(home.project())
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert asks(home.authenticator(), x_enrolment_code=typed).enrolment is not None


def test_enrolment_codes_have_eighty_bits():
    letters = credentials._GROUPS * credentials._GROUP
    assert len(set(credentials.ALPHABET)) ** letters >= 2**80


def test_an_enrolment_code_ends_with_its_time(home):
    code = home.code(home.project(), hours=1)
    auth = home.authenticator()
    assert asks(auth, x_enrolment_code=code).enrolment
    home.ahead = HOUR
    refused(auth, x_enrolment_code=code)


@pytest.mark.parametrize("what", ["disabled", "deleted", "revoked", "reader"])
def test_an_enrolment_code_ends_with_its_maker_s_right_to_make_it(home, what):
    user, project = home.user(default="operator"), home.project()
    code, auth = home.code(project, maker=user.id), home.authenticator()
    assert asks(auth, x_enrolment_code=code).enrolment
    with home.database.write() as db:
        {
            "disabled": lambda: identity.set_enabled(db, user, enabled=False),
            "deleted": lambda: identity.delete_user(db, user),
            "revoked": lambda: identity.revoke(db, user, project),
            "reader": lambda: identity.grant(db, user, project, "reader"),
        }[what]()
    refused(auth, x_enrolment_code=code)


def test_an_expired_code_registers_nothing(home):
    code = home.code(home.project())
    with home.database.write() as db:
        db.execute(enrolments.update().values(expires_at=1))
    with home.database.write() as db, pytest.raises(NotAuthenticated):
        credentials.redeem_enrolment(db, credentials.code_digest(code), "s1")


def test_a_code_registers_again_what_it_registered(home):
    code = credentials.code_digest(home.code(home.project()))
    for _ in range(2):
        with home.database.write() as db:
            credentials.redeem_enrolment(db, code, "s1")
    with home.database.write() as db, pytest.raises(NotAuthenticated):
        credentials.redeem_enrolment(db, code, "s2")


def test_a_code_used_by_many_at_once_registers_one_source(home):
    project = home.project()
    code = home.code(project)
    start, registered = threading.Barrier(8), []

    def register(number: int) -> None:
        start.wait()
        try:
            with home.database.write() as db:
                credentials.redeem_enrolment(db, credentials.code_digest(code), str(number))
                registered.append(number)
        except NotAuthenticated:
            pass

    threads = [threading.Thread(target=register, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registered) == 1


def test_a_registration_that_fails_leaves_the_code_usable(home):
    code = home.code(home.project())

    def fail() -> None:
        with home.database.write() as db:
            credentials.redeem_enrolment(db, credentials.code_digest(code), "s1")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert asks(home.authenticator(), x_enrolment_code=code).enrolment


def test_a_token_wins_over_a_foreign_authorization_and_over_a_code(home):
    user = home.user(default="admin")
    headers = {"x_auth_token": home.token(user), "x_enrolment_code": "wrong"}
    for foreign in ("", "Basic YTpi", "Bearer x"):
        caller = asks(home.authenticator(), authorization=foreign, **headers)
        assert caller.user_id == user.id


@pytest.fixture(scope="module")
def doorkeeper(tmp_path_factory):
    with house(tmp_path_factory.mktemp("auth")) as made:
        yield made.authenticator()


TEXT = st.text(max_size=40) | st.from_regex(r"SDK-HMAC-SHA256.{0,40}")
NAMES = st.sampled_from(
    ["authorization", "x-auth-token", "x-enrolment-code", "x-project-id", "x-sdk-date", "host"]
)


@given(headers=st.dictionaries(NAMES, TEXT), path=TEXT, body=st.binary(max_size=20))
def test_garbage_is_refused_or_anonymous(doorkeeper, headers, path, body):
    try:
        caller = doorkeeper.caller("GET", path, "", headers, body)
    except NotAuthenticated:
        return
    assert caller is ANONYMOUS
