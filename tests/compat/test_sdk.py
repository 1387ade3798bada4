"""The public SDK, unmodified, drives every operation, signed and with a ready token."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import huaweicloudsdksms.v3 as sms
import pytest
from huaweicloudsdkcore.auth import credentials as core
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

from rehost.control.store import commands
from tests.compat.bodies import linux, windows
from tests.compat.conftest import Service
from tests.compat.test_contract import SERVED

PYTHON_NAMES = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in SERVED}
USED: set[str] = set()


def with_token(token: str) -> core.BasicCredentials:
    """What a caller with a ready token gives the SDK, which knows credentials by their name."""

    class BasicCredentials(core.BasicCredentials):  # type: ignore[misc]
        def sign_request(self, request: Any) -> Any:
            signed = super().sign_request(request)
            signed.header_params |= {"X-Auth-Token": token, "Authorization": "none"}
            return signed

    return BasicCredentials("-", "-", "-")


@dataclass(frozen=True)
class Caller:
    service: Service
    client: sms.SmsClient

    def __getattr__(self, name: str) -> Any:
        """An operation: `caller.show_server(source_id="…")`."""
        USED.add(name)
        request = getattr(sms, "".join(map(str.capitalize, name.split("_"))) + "Request")
        return lambda **arguments: getattr(self.client, name)(request(**arguments))

    def registered(self, body: dict[str, Any]) -> str:
        return str(self.register_server(body=build("PostSourceServerBody", body)).id)

    def task_of(self, source_id: str, **changes: Any) -> str:
        sent = TASK | {"source_server": {"id": source_id}} | changes
        return str(self.create_task(body=build("PostTask", sent)).id)


@pytest.fixture(scope="module", params=["signed", "token"])
def caller(service: Service, request: pytest.FixtureRequest) -> Caller:
    project = f"sdk-{request.param}"
    with service.house() as house:
        where = house.project(project)
        user = house.user(project, **{project: "admin"})
        token = house.token(user, where)
    if request.param == "token":
        credentials = with_token(token)
    else:
        printed = service.rehost("user", "key", "create", project)
        ak, sk = re.findall(r"[AS]K: (\S+)", printed)
        credentials = core.BasicCredentials(ak, sk, where.id)
    return Caller(
        service, sms.SmsClient.new_builder().with_credentials(credentials)
        .with_endpoint(service.url).build(),
    )  # fmt: skip


@pytest.fixture
def source_id(caller: Caller) -> Iterator[str]:
    registered = caller.registered(linux(volume_groups=[GROUP], btrfs_list=[BTRFS]))
    yield registered
    if caller.list_servers(id=registered).count:
        caller.delete_server(source_id=registered)


GROUP = {
    "name": "vg0",
    "components": "/dev/vdb1;/dev/vdc1",
    "size": 1 << 40,
    "free_size": 0,
    "logical_volumes": [{"name": "/dev/mapper/vg0-data", "size": 1 << 40, "file_system": "xfs"}],
}
BTRFS = {
    "name": "/dev/vdd",
    "uuid": "7d0d7f5e-20ae-4c1c-9bd0-0c1f7a4a4a10",
    "subvolumn": [{"subvol_id": "256", "subvol_name": "photos", "is_snapshot": "false"}],
}


def build(model: str, value: dict[str, Any]) -> Any:
    """The SDK's object of a model, filled from JSON, its parts too."""
    kind = getattr(sms, model)
    filled = {}
    for name, item in value.items():
        part = kind.openapi_types[name]
        inner = re.fullmatch(r"list\[(\w+)\]", part)
        if inner and hasattr(sms, inner[1]):
            filled[name] = [build(inner[1], each) for each in item]
        elif isinstance(item, dict) and hasattr(sms, part):
            filled[name] = build(part, item)
        else:
            filled[name] = item
    return kind(**filled)


def assert_shows(answer: Any, sent: Any, place: str = "") -> None:
    """Each value sent is what the SDK shows, of the type that it declares."""
    if isinstance(sent, dict):
        for name, value in sent.items():
            assert_shows(getattr(answer, name), value, f"{place}.{name}")
    elif isinstance(sent, list):
        assert len(answer) == len(sent), place
        for n, value in enumerate(sent):
            assert_shows(answer[n], value, f"{place}[{n}]")
    else:
        assert (answer, type(answer)) == (sent, type(sent)), place


NOT_SHOWN = {
    "ipv6", "boot_loader", "has_rsync", "paravirtualization", "raw_devices", "kernel_version",
    "system_dir", "driver_files", "system_services", "account_rights",
}  # fmt: skip


@pytest.mark.parametrize("body", [linux(volume_groups=[GROUP], btrfs_list=[BTRFS]), windows()],
                         ids=["linux", "windows"])  # fmt: skip
def test_register_and_show(caller: Caller, body: dict[str, Any]):
    registered = caller.registered(body)
    shown = caller.show_server(source_id=registered)
    assert shown.id == registered
    assert (shown.state, shown.migration_cycle, shown.connected) == ("waiting", "setting", True)
    assert_shows(shown, {name: value for name, value in body.items() if name not in NOT_SHOWN})
    assert [c.result for c in shown.checks] == ["OK"] * len(shown.checks)
    assert shown.init_target_server.disks[0].name == body["disks"][0]["name"]
    assert shown.init_target_server.disks[0].size >= body["disks"][0]["size"]
    assert shown.current_task is None
    caller.delete_server(source_id=registered)


def test_list(caller: Caller, source_id: str):
    other = caller.registered(windows())
    assert [s.id for s in caller.list_servers().source_servers] == [other, source_id]
    page = caller.list_servers(limit=1, offset=1)
    assert (page.count, [s.id for s in page.source_servers]) == (2, [source_id])
    assert_shows(page.source_servers[0], {"name": "web-1", "os_type": "LINUX", "connected": True})
    caller.delete_server(source_id=other)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "waiting"}, True),
        ({"state": "unavailable"}, False),
        ({"name": "eb-"}, True),
        ({"name": "a b/ü&=%"}, False),
        ({"ip": "192.0.2.10"}, True),
        ({"ip": "192.0.2.1"}, False),
        ({"ipv6": "2001:db8::1"}, False),
        ({"id": "nobody"}, False),
        ({"migproject": "nobody"}, False),
        ({"migration_cycle": "setting"}, True),
        ({"migration_cycle": "cutovered"}, False),
        ({"connected": True}, True),
        ({"connected": False}, False),
        ({"enterprise_project_id": "all_granted_eps"}, True),
        ({"enterprise_project_id": "nobody"}, False),
        ({"is_consistency_result_exist": False}, True),
        ({"is_consistency_result_exist": True}, False),
        ({"vm_id": "nobody"}, False),
        ({"limit": 0}, True),
        ({"limit": 200, "offset": 0}, True),
    ],
    ids=str,
)
def test_list_filters(caller: Caller, source_id: str, query: dict[str, Any], found: bool):
    answer = caller.list_servers(**query)
    assert [s.id for s in answer.source_servers] == ([source_id] if found else [])
    assert answer.count == int(found)


def test_rename(caller: Caller, source_id: str):
    wave = {"name": "rename", "region": "local", "type": "MIGRATE_BLOCK"}
    m1 = caller.create_migproject(body=build("PostMigProjectBody", wave)).id
    body = build("PutSourceServerBody", {"name": "店铺-1", "migprojectid": m1})
    caller.update_server_name(source_id=source_id, body=body)
    assert caller.show_server(source_id=source_id).name == "店铺-1"
    assert caller.list_servers(migproject=m1).count == 1


def test_disks_anew(caller: Caller, source_id: str):
    disk = linux()["disks"][0] | {"size": 100 << 30}
    sent = {"disks": [disk], "volumegroups": [], "btrfs_list": [BTRFS | {"label": "new"}]}
    caller.update_disk_info(source_id=source_id, body=build("PutDiskInfoReq", sent))
    shown = caller.show_server(source_id=source_id)
    assert_shows(shown.disks, [disk])
    assert shown.volume_groups == []
    assert shown.btrfs_list[0].label == "new"
    assert shown.init_target_server.disks[0].size == 100 << 30


def test_delete_one_and_many(caller: Caller):
    ids = [caller.registered(linux(name=f"d{n}")) for n in range(3)]
    caller.delete_server(source_id=ids[0])
    caller.delete_servers(body=sms.DeleteIds(ids=ids[1:]))
    assert caller.list_servers().count == 0


def test_overview_and_errors(caller: Caller, source_id: str):
    unfit = caller.registered(linux(name="old", hostname="old-1", paravirtualization=True))
    overview = caller.show_overview()
    assert (overview.waiting, overview.unavailable, overview.unconfigured) == (1, 1, 1)
    assert overview.error == 0
    errors = caller.list_error_servers(offset=0)
    assert errors.count == 1
    [error] = errors.migration_errors
    assert_shows(error, {"source_id": unfit, "name": "old", "host_name": "old-1",
                         "source_ip": "192.0.2.10", "target_ip": ""})  # fmt: skip
    [check] = json.loads(error.error_json)
    assert (check["name"], check["result"]) == ("PARAVIRTUALIZATION", "ERROR")
    assert caller.list_error_servers(limit=0, offset=1).migration_errors == []
    caller.delete_server(source_id=unfit)


def test_migprojects(caller: Caller):
    sent = {"name": "第一批-1", "region": "local", "type": "MIGRATE_FILE", "speed_limit": 300,
            "description": "first", "syncing": True}  # fmt: skip
    made = caller.create_migproject(body=build("PostMigProjectBody", sent)).id
    assert_shows(caller.show_migproject(mig_project_id=made), sent | {"isdefault": False})
    listed = caller.list_migprojects(limit=100)
    [default] = [m for m in listed.migprojects if m.isdefault]
    [mine] = [m for m in listed.migprojects if m.id == made]
    assert_shows(mine, sent)
    caller.update_migproject(mig_project_id=made, body=build("MigProject", {"speed_limit": 0}))
    assert caller.show_migproject(mig_project_id=made).speed_limit == 0
    caller.update_default_migproject(mig_project_id=made)
    assert caller.show_migproject(mig_project_id=made).isdefault
    caller.update_default_migproject(mig_project_id=default.id)
    caller.delete_migproject(mig_project_id=made)
    with pytest.raises(ClientRequestException) as gone:
        caller.show_migproject(mig_project_id=made)
    assert (gone.value.status_code, gone.value.error_code) == (404, "REHOST.4042")


TEMPLATE = {
    "name": "网页-1",
    "region": "local",
    "target_server_name": "web-1",
    "availability_zone": "az-1",
    "volumetype": "SSD",
    "flavor": "c6.large.2",
    "vpc": {"id": "autoCreate", "name": "net", "cidr": "192.0.2.0/24"},
    "nics": [{"id": "autoCreate", "name": "eth0", "cidr": "192.0.2.0/24", "ip": "192.0.2.7"}],
    "security_groups": [{"id": "autoCreate", "name": "web"}],
    "publicip": {"type": "5_bgp", "bandwidth_size": 5, "bandwidth_share_type": "PER"},
    "disk": [{"index": 0, "name": "system", "disktype": "SSD", "size": 40, "device_use": "OS"}],
    "data_volume_type": "SATA",
    "image_id": "debian-12",
}


def test_templates(caller: Caller):
    secret = {"target_password": "S3cret!", "is_template": False}
    body = build("CreateTemplateReq", {"template": build("TemplateRequest", TEMPLATE | secret)})
    made = caller.create_template(body=body).id
    shown = caller.show_template(id=made).template
    assert_shows(shown, TEMPLATE | {"is_template": "false", "target_password": "", "id": made})
    [listed] = caller.list_templates(name="网页", region="local", limit=50).templates
    assert_shows(listed, TEMPLATE)
    assert caller.show_target_password(id=made).target_password == "S3cret!"
    change = build("TemplateRequest", {"name": "web-2", "flavor": "c6.xlarge.2"})
    caller.update_template(id=made, body=build("UpdateTemplateReq", {"template": change}))
    shown = caller.show_template(id=made).template
    assert_shows(shown, TEMPLATE | {"name": "web-2", "flavor": "c6.xlarge.2"})
    assert caller.show_target_password(id=made).target_password == "S3cret!"
    caller.delete_template(id=made)
    two = [caller.create_template(body=body).id for _ in range(2)]
    caller.delete_templates(body=sms.DeletetemplatesReq(ids=two))
    assert caller.list_templates().count == 0


def test_privacy_agreement(caller: Caller):
    assert caller.show_privacy_agreements().flag is False
    caller.create_privacy_agreements()
    caller.create_privacy_agreements()
    assert caller.show_privacy_agreements().flag is True


def test_commands(caller: Caller, source_id: str):
    assert caller.show_command(server_id=source_id).command_name == "TASK_NOT_STARTED"
    with caller.service.house() as house, house.database.write() as db:
        commands.add(db, source_id, "UPLOAD_LOG", '{"task_id": "t1", "bucket": "logs"}')
    command = caller.show_command(server_id=source_id)
    assert command.command_name == "UPLOAD_LOG"
    assert_shows(command.command_param, {"task_id": "t1", "bucket": "logs"})
    assert caller.show_command(server_id=source_id).command_name == "TASK_NOT_STARTED"

    body = sms.CommandBody(command_name="UPLOAD_LOG", result="success", result_detail={"n": 1})
    caller.update_command_result(server_id=source_id, body=body)
    with pytest.raises(ClientRequestException) as refused:
        caller.update_command_result(server_id=source_id, body=body)
    assert (refused.value.status_code, refused.value.error_code) == (400, "SMS.2009")


TASK = {
    "name": "搬迁-1",
    "type": "MIGRATE_BLOCK",
    "target_server": {"name": "web-1", "vm_id": ""},
    "region_name": "local",
    "region_id": "local",
    "project_name": "default",
    "project_id": "p1",
    "priority": 2,
    "speed_limit": 100,
    "start_target_server": False,
}


def test_tasks(caller: Caller, source_id: str):
    made = caller.task_of(source_id)
    shown = caller.show_task(task_id=made)
    assert_shows(shown, {n: TASK[n] for n in TASK if n not in ("target_server", "project_id")})
    assert (shown.state, shown.source_server.id) == ("READY", source_id)
    assert shown.target_server.name == "web-1"
    assert caller.show_server(source_id=source_id).current_task.id == made
    assert caller.update_task(task_id=made, body=build("PutTaskReq", {"speed_limit": 7})).id == made
    [listed] = caller.list_tasks(source_server_id=source_id, limit=0, offset=0).tasks
    assert (listed.id, listed.speed_limit, len(listed.sub_tasks)) == (made, 7, 8)
    start, stop = (sms.UpdateTaskStatusReq(operation=o) for o in ("start", "stop"))
    caller.update_task_status(task_id=made, body=start)
    assert caller.show_command(server_id=source_id).command_name == "START"
    with pytest.raises(ClientRequestException) as refused:
        caller.delete_task(task_id=made)
    assert (refused.value.status_code, refused.value.error_code) == (400, "SMS.2015")
    caller.update_task_status(task_id=made, body=stop)
    assert caller.show_command(server_id=source_id).command_name == "STOP"
    done = sms.CommandBody(command_name="STOP", result="success", result_detail={})
    caller.update_command_result(server_id=source_id, body=done)
    assert caller.show_task(task_id=made).state == "ABORT"
    caller.delete_task(task_id=made)
    caller.delete_tasks(body=sms.DeleteTasksReq(ids=[caller.task_of(source_id)]))
    assert caller.list_tasks(state="READY").count == 0
    with pytest.raises(ClientRequestException) as gone:
        caller.show_task(task_id=made)
    assert (gone.value.status_code, gone.value.error_code) == (404, "SMS.2252")


@pytest.fixture
def running(caller: Caller, source_id: str) -> Iterator[str]:
    """A task that runs; it is stopped and deleted at the end."""
    made = caller.task_of(source_id, auto_start=True)
    yield made
    if caller.show_task(task_id=made).state in ("RUNNING", "SYNCING"):
        stop = sms.UpdateTaskStatusReq(operation="stop")
        caller.update_task_status(task_id=made, body=stop)
    done = sms.CommandBody(command_name="STOP", result="success", result_detail={})
    while caller.show_task(task_id=made).state == "ABORTING":
        if caller.show_command(server_id=source_id).command_name == "STOP":
            caller.update_command_result(server_id=source_id, body=done)
    caller.delete_task(task_id=made)


def test_progress(caller: Caller, source_id: str, running: str):
    said = {"subtask_name": "MIGRATE_LINUX_BLOCK", "progress": 40, "replicatesize": 2 << 30,
            "totalsize": 5 << 30, "process_trace": "disk 1 of 1", "migrate_speed": 80.5,
            "compress_rate": 2.5, "remain_time": 60, "agent_cpu_usage": 7.5}  # fmt: skip
    caller.update_task_speed(task_id=running, body=build("UpdateTaskSpeedReq", said))
    shown = caller.show_task(task_id=running)
    [phase] = [p for p in shown.sub_tasks if p.name == "MIGRATE_LINUX_BLOCK"]
    assert_shows(phase, {"progress": 40, "process_trace": "disk 1 of 1", "migrate_speed": 80.5})
    assert (shown.migrate_speed, shown.compress_rate, shown.remain_seconds) == (80.5, 2.5, 60)
    source = caller.show_server(source_id=source_id)
    assert (source.replicatesize, source.totalsize) == (2 << 30, 5 << 30)
    assert source.state == "replicate"
    state = sms.PutCopyStateReq(copystate="replicate", migrationcycle="replicating")
    caller.update_copy_state(source_id=source_id, body=state)
    state = sms.PutCopyStateReq(copystate="finished", migrationcycle="cutovered")
    with pytest.raises(ClientRequestException) as refused:
        caller.update_copy_state(source_id=source_id, body=state)
    assert (refused.value.status_code, refused.value.error_code) == (409, "REHOST.4101")


def test_task_secrets(caller: Caller, running: str):
    keys = caller.show_cert_key(task_id=running, enable_ca_cert=True)
    for pem in (keys.cert, keys.ca, keys.target_mgmt_cert, keys.target_data_cert):
        assert pem.startswith("-----BEGIN CERTIFICATE-----")
    for pem in (keys.private_key, keys.target_mgmt_private_key, keys.target_data_private_key):
        assert pem.startswith("-----BEGIN PRIVATE KEY-----")
    shown = caller.show_passphrase(task_id=running)
    assert (shown.task_id, len(shown.passphrase) > 20) == (running, True)


def test_speed_limits(caller: Caller, source_id: str):
    made = caller.task_of(source_id, speed_limit=0)
    [default] = caller.shows_speed_limits(task_id=made).speed_limit
    assert (default.start, default.end, default.speed) == ("00:00", "24:00", 0)
    rows = [{"start": "08:00", "end": "18:30", "speed": 50},
            {"start": "22:00", "end": "06:00", "speed": 0}]  # fmt: skip
    caller.update_speed(task_id=made, body=build("SpeedLimit", {"speed_limit": rows}))
    assert_shows(caller.shows_speed_limits(task_id=made).speed_limit, rows)
    caller.delete_task(task_id=made)


def test_configuration(caller: Caller, source_id: str):
    made = caller.task_of(source_id)
    rows = [{"config_key": "LINUX_CPU_LIMIT", "config_value": "50"},
            {"config_key": "MIGRATE_EXCLUDE_DIR", "config_value": "/var/cache"}]  # fmt: skip
    body = build("ConfigurationRequestBody", {"configurations": rows})
    caller.upload_special_configuration_setting(task_id=made, body=body)
    shown = caller.show_config_setting(task_id=made)
    assert (shown.task_id, shown.migrate_type) == (made, "LINUX_MIGRATE_BLOCK")
    assert_shows(shown.configurations, rows)
    one = caller.show_config_setting(task_id=made, config_key="LINUX_CPU_LIMIT")
    assert_shows(one.configurations, rows[:1])
    caller.delete_task(task_id=made)


def test_log_of_an_agent(caller: Caller, source_id: str):
    made = caller.task_of(source_id)
    caller.collect_log(task_id=made, body=sms.UploadLogRequestBody(log_bucket="logs"))
    command = caller.show_command(server_id=source_id)
    assert command.command_name == "UPLOAD_LOG"
    assert_shows(command.command_param, {"task_id": made, "bucket": "logs"})
    [listed] = caller.list_tasks(id=made).tasks
    assert listed.log_collect_status == "UPLOADING"
    done = sms.CommandBody(command_name="UPLOAD_LOG", result="success", result_detail={})
    caller.update_command_result(server_id=source_id, body=done)
    [listed] = caller.list_tasks(id=made).tasks
    assert listed.log_collect_status == "UPLOADED"
    caller.delete_task(task_id=made)


def test_network_check(caller: Caller, source_id: str):
    made = caller.task_of(source_id)
    said = {"domain_connectivity": True, "destination_connectivity": True, "network_delay": 1.5,
            "network_jitter": 0.5, "migration_speed": 940.0, "loss_percentage": 0.0,
            "cpu_usage": 3.5, "mem_usage": 40.5, "evaluation_result": "good"}  # fmt: skip
    body = build("NetworkCheckInfoRequestBody", said)
    assert caller.update_network_check_info(task_id=made, body=body).task_id == made
    assert_shows(caller.show_task(task_id=made).network_check_info, said)
    caller.delete_task(task_id=made)


def test_consistency(caller: Caller, source_id: str):
    made = caller.task_of(source_id)
    said = {"dir_check": "/srv", "num_total_files": 9, "num_different_files": 1,
            "num_target_miss_files": 2, "num_target_more_files": 0}  # fmt: skip
    body = build("SetConsistencyResultRequestBody", {"consistency_result": [said]})
    caller.update_consistency_result(task_id=made, body=body)
    shown = caller.show_consistency_result(task_id=made)
    assert (shown.task_id, [json.loads(r) for r in shown.result_list]) == (made, [said])
    tables: list[bytes] = []

    def read(stream: Any) -> None:
        tables.append(stream.content)
        stream.close()

    named = build("BatchGetConsistencyResultReq", {"task_info": [{"task_id": made}]})
    answer = caller.export_consistency_results(body=named)
    answer.consume_download_stream(read)
    assert "/srv,9,1,2,0" in tables.pop().decode("utf-8-sig")
    assert caller.list_servers(is_consistency_result_exist=True).count == 1
    caller.delete_task(task_id=made)


def test_versions(caller: Caller):
    [version] = caller.list_api_version().versions
    assert (version.id, version.status) == ("v3", "CURRENT")
    assert version.links[0].href == f"{caller.service.url}/v3"
    shown = caller.show_api_version(version="v3")
    assert (shown.id, shown.updated) == (version.id, version.updated)


def test_config(caller: Caller):
    shown = caller.show_config()
    assert int(shown.config["poll_interval"]) > 0
    assert [region["id"] for region in shown.regions] == ["local"]


@pytest.mark.parametrize(
    ("name", "arguments", "status", "code"),
    [
        ("show_server", {"source_id": "nobody"}, 404, "SMS.0202"),
        ("show_server", {}, 404, "SMS.0202"),
        ("show_command", {"server_id": "a/b c%"}, 404, None),
        ("delete_servers", {"body": {"ids": []}}, 400, "REHOST.4000"),
        ("register_server", {"body": {"name": "x"}}, 400, "REHOST.4000"),
        ("register_server", {}, 400, "REHOST.4000"),
        ("list_servers", {"limit": 201}, 400, "REHOST.4000"),
        ("show_api_version", {"version": "v9"}, 404, "APIGW.0101"),
    ],
)
def test_failures_are_told(caller: Caller, name: str, arguments: Any, status: int, code: str):
    with pytest.raises(ClientRequestException) as failed:
        getattr(caller, name)(**arguments)
    assert failed.value.status_code == status
    assert re.fullmatch(r"[A-Z]+\.\d{4}", failed.value.error_code)
    assert code in (None, failed.value.error_code)
    assert failed.value.error_msg
    assert re.fullmatch("[0-9a-f]{32}", failed.value.request_id)


def test_refusal_has_its_details(service: Service):
    reader = with_token(service.token("reader", "sdk-reader"))
    client = sms.SmsClient.new_builder().with_credentials(reader).with_endpoint(service.url)
    with pytest.raises(ClientRequestException) as refused:
        client.build().delete_server(sms.DeleteServerRequest(source_id="x"))
    assert (refused.value.status_code, refused.value.error_code) == (403, "SMS.9004")
    assert "sms:server:delete" in refused.value.error_msg
    assert refused.value._encoded_auth_msg


def test_nothing_is_left_out(request: pytest.FixtureRequest):
    """All operations of the contract were called above; it can tell only if all tests ran."""
    mine = [i for i in request.session.items if i.path == request.path]
    if len(mine) < 60 or request.session.testsfailed:
        pytest.skip("not all tests of this file ran")
    assert USED == PYTHON_NAMES
