import re
from dataclasses import dataclass

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.client import ClientBuilder
from huaweicloudsdkcore.exceptions.exceptions import (
    ClientRequestException,
    SdkException,
)
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdksms.v3 import ListServersRequest, SmsClient

from tests.compat.conftest import Service

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Sam:
    """A user of the SDK, with a key of its own."""

    service: Service
    access: str
    secret: str

    def client(self, *, region: str | None = None, **changed: str | None) -> SmsClient:
        given = {"ak": self.access, "sk": self.secret, "project_id": None} | changed
        credentials = BasicCredentials(**given).with_iam_endpoint(self.service.url)
        builder = SmsClient.new_builder().with_credentials(credentials)
        if region:
            return builder.with_region(Region(region, self.service.url)).build()
        return builder.with_endpoint(self.service.url).build()


@pytest.fixture(autouse=True)
def _no_remembered_projects():
    BasicCredentials._CACHE.clear()


@pytest.fixture(scope="module")
def sam(service: Service) -> Sam:
    words = ("user", "create", "sam", "--role", "admin", "--password-stdin")
    service.rehost(*words, stdin=PASSWORD + "\n")
    access, secret = re.findall(r"[AS]K: (\S+)", service.rehost("user", "key", "create", "sam"))
    return Sam(service, access, secret)


def assert_lists(client: SmsClient, **query: object) -> None:
    assert client.list_servers(ListServersRequest(**query)).count is not None


def project_ids(service: Service) -> dict[str, str]:
    rows = service.rehost("project", "list").splitlines()[1:]
    return {row.split()[0]: row.split()[2] for row in rows}


def test_a_key_and_a_project(sam):
    client = sam.client(project_id=project_ids(sam.service)["default"])
    assert (
        client.list_servers(ListServersRequest(limit=10, name="a b/ü", connected=True)).count == 0
    )


def test_a_key_alone(sam):
    assert_lists(sam.client())


def test_a_region_stands_for_its_project(sam):
    assert_lists(sam.client(region="local"))


def test_a_project_can_be_a_regions_namesake(sam):
    sam.service.rehost("project", "create", "far-east-1")
    sam.service.rehost("user", "grant", "sam", "--project", "far-east-1")
    client = sam.client(region="far-east-1")
    assert_lists(client)
    assert client._credentials.project_id == project_ids(sam.service)["far-east-1"]


def test_an_unknown_region_has_no_project(sam):
    with pytest.raises(SdkException, match="far-west-1"):
        sam.client(region="far-west-1")


def test_the_domain_of_a_key(sam):
    credentials = GlobalCredentials(sam.access, sam.secret).with_iam_endpoint(sam.service.url)
    builder = ClientBuilder(SmsClient, "GlobalCredentials").with_credentials(credentials)
    builder.with_region(Region("local", sam.service.url)).build()
    assert credentials.domain_id is not None


@pytest.mark.parametrize("wrong", [{"sk": "x"}, {"ak": "NOSUCHKEY"}, {"project_id": "no such"}])
def test_what_is_wrong_is_told_as_the_sdk_shows_it(sam, wrong):
    with pytest.raises(ClientRequestException) as caught:
        sam.client(**wrong).list_servers(ListServersRequest())
    assert caught.value.status_code == 401
    assert caught.value.error_code == "APIGW.0301"
    assert caught.value.error_msg
    assert caught.value.request_id


def test_a_ready_token_beside_credentials_of_no_account(sam):
    user = {"name": "sam", "password": PASSWORD, "domain": {"name": "default"}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    _, headers, _ = sam.service.call("POST", "/v3/auth/tokens", body)
    client = (
        SmsClient.new_builder()
        .with_credentials(BasicCredentials("any", "any", "any"))
        .with_endpoint(sam.service.url)
        .build()
    )
    answer = client.do_http_request(
        method="GET",
        resource_path="/v3/sources",
        query_params=[],
        header_params={"X-Auth-Token": headers["x-subject-token"], "Authorization": "none"},
        response_type="ListServersResponse",
    )
    assert answer.count is not None


def test_a_deleted_key_is_refused_at_once(sam):
    access, secret = re.findall(r"[AS]K: (\S+)", sam.service.rehost("user", "key", "create", "sam"))
    client = sam.client(ak=access, sk=secret)
    assert_lists(client)
    sam.service.rehost("user", "key", "delete", "sam", access)
    with pytest.raises(ClientRequestException, match=r"APIGW\.0301"):
        client.list_servers(ListServersRequest())
