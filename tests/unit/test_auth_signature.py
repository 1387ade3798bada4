import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest

from rehost.contract.signature import Request, sign
from rehost.control.auth import Authenticator
from rehost.control.clock import now_ms
from rehost.control.keys import Keys
from rehost.control.operation import Caller
from rehost.control.roles import READER
from rehost.control.store import credentials, identity
from rehost.control.store.schema import access_keys, grants, projects
from rehost.errors import BadConfiguration, NotAuthenticated
from tests.unit.identities import house

DATA = json.loads((Path(__file__).parents[1] / "data/sms-v3/sign_vectors.json").read_text())
VECTORS = pytest.mark.parametrize("vector", DATA["vectors"], ids=lambda v: v["name"])


@pytest.fixture
def home(tmp_path, database_url):
    with house(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def user(home):
    return home.user(default="admin", other="reader")


@pytest.fixture
def pair(home, user) -> tuple[str, str]:
    with home.database.write() as db:
        return credentials.create_key(db, user, home.keys)


def ask(authenticator, pair, *, body: bytes = b"", **headers: str) -> Caller:
    """The caller of a signed request with these headers."""
    request = Request(
        method="GET",
        target="/v3/sources?limit=1",
        headers={"host": "h", **{name.replace("_", "-"): value for name, value in headers.items()}},
        body=body,
    )
    added = sign(request, *pair, now=datetime.now(UTC))
    return wire(authenticator, request, added, body)


def wire(authenticator: Authenticator, request, added, body=b"") -> Caller:
    path, _, query = request.target.partition("?")
    headers = {name.lower(): value for name, value in {**request.headers, **added}.items()}
    assert authenticator.needs_body(headers)
    return authenticator.caller(request.method, path, query, headers, body)


def refused(*args, **headers) -> str:
    with pytest.raises(NotAuthenticated) as caught:
        ask(*args, **headers)
    return str(caught.value)


@VECTORS
def test_every_vector_of_the_public_sdk(home, vector):
    user = home.user(default="admin")
    with home.database.write() as db:
        values = {"access": DATA["ak"], "secret": home.keys.encrypt(DATA["sk"]), "created_at": 0}
        db.execute(access_keys.insert().values(user_id=user.id, **values))
        # The vector's project, under the id that it has there.
        for project_id in filter(None, [vector["headers_in"].get("X-Project-Id")]):
            db.execute(projects.insert().values(id=project_id, name="p", domain_id=user.domain.id))
            db.execute(grants.insert().values(user_id=user.id, project_id=project_id, role="x"))
    signed_at = datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000
    home.ahead = int(signed_at) - now_ms()
    headers = {"Host": DATA["host"], "Content-Type": "application/json", **vector["headers_in"]}
    added = {"X-Sdk-Date": "20240101T000000Z", "Authorization": vector["authorization"]}
    if "UNSIGNED-PAYLOAD" in vector["canonical_request"]:
        added["X-Sdk-Content-Sha256"] = "UNSIGNED-PAYLOAD"
    body = (vector["body"] or "").encode()
    request = Request(method=vector["method"], target=vector["uri_on_wire"], headers=headers)
    assert wire(home.authenticator(), request, added, body).user_id == user.id


def test_what_the_unmodified_sdk_signs(home, user, pair):
    other = home.project("other")
    request = SdkRequest(
        method="POST",
        schema="http",
        host="127.0.0.1:8780",
        resource_path="/v3/sources",
        query_params=[("name", "a b+主"), ("limit", 0)],
        header_params={"Content-Type": "application/json"},
        body='{"名": 1}'.encode(),
    )
    signed = BasicCredentials(*pair, other.id).sign_request(request)
    sent = urlsplit("http://h" + signed.uri)
    assert parse_qsl(sent.query) == [("limit", "0"), ("name", "a b+主")]
    caller = wire(
        home.authenticator(),
        Request(method="POST", target=signed.uri, headers=signed.header_params),
        {},
        signed.body,
    )
    assert (caller.user_id, caller.project_id) == (user.id, other.id)
    assert caller.actions == READER


def test_a_key_without_a_project_is_for_all_of_the_users(home, user, pair):
    caller = ask(home.authenticator(), pair)
    assert caller.projects == (home.project().id, home.project("other").id)
    assert caller.project_id is None


def test_a_project_without_a_role_is_refused(home, pair):
    home.user("bob", foreign="admin")
    foreign = home.project("foreign")
    assert "X-Project-Id" in refused(home.authenticator(), pair, x_project_id=foreign.id)


def test_another_domain_is_refused(home, user, pair):
    auth = home.authenticator()
    assert ask(auth, pair, x_domain_id=user.domain.id).user_id == user.id
    assert "X-Domain-Id" in refused(auth, pair, x_domain_id=home.project(domain="d").domain.id)


def test_a_signature_counts_before_a_token(home, user, pair):
    auth = home.authenticator()
    assert ask(auth, pair, x_auth_token="wrong").user_id == user.id
    refused(auth, (pair[0], "wrong"), x_auth_token=home.token(user))


def test_the_answer_does_not_tell_whether_a_key_exists(home, pair):
    auth = home.authenticator()
    wrong_secret = refused(auth, (pair[0], "wrong"))
    assert refused(auth, ("NOSUCHKEY", "wrong")) == wrong_secret
    assert refused(auth, ("NOSUCHKEY", "")) == wrong_secret
    home.ahead = 3600_000
    assert refused(auth, pair)[:30] == refused(auth, ("NOSUCHKEY", "x"))[:30]


@pytest.mark.parametrize("what", ["disabled", "key", "user", "roles"])
def test_every_process_knows_at_once_when_a_key_ends(home, user, pair, what):
    processes = [home.authenticator(), home.authenticator()]
    for auth in processes:
        assert ask(auth, pair).user_id == user.id
    with home.database.write() as db:
        if what == "disabled":
            identity.set_enabled(db, user, enabled=False)
        elif what == "key":
            credentials.delete_key(db, user, pair[0])
        elif what == "user":
            identity.delete_user(db, user)
        else:
            for grant in identity.grants_of(db, user.id):
                identity.revoke(db, user, grant.project)
    for auth in processes:
        refused(auth, pair)


@pytest.mark.parametrize("off", [timedelta(minutes=16), -timedelta(minutes=16)])
def test_a_request_of_another_time_is_refused(home, pair, off):
    auth = home.authenticator()
    home.ahead = int(off.total_seconds() * 1000)
    assert "15 minutes" in refused(auth, pair)


def test_a_changed_body_is_refused(home, pair):
    auth = home.authenticator()
    request = Request(method="PUT", target="/v3/sources/s1", headers={"host": "h"}, body=b"{}")
    added = sign(request, *pair, now=datetime.now(UTC))
    assert wire(auth, request, added, b"{}")
    with pytest.raises(NotAuthenticated):
        wire(auth, request, added, b'{"name": "x"}')


def test_a_lost_key_file_is_named(home, pair):
    home.keys = Keys(b"A" * 43 + b"=")
    with pytest.raises(BadConfiguration, match=r"secret\.key"):
        ask(home.authenticator(), pair)
