"""What Terraform's public provider does for each resource and data source, replayed.

For each: the requests of create, read, update and delete in their order, with their bodies, and
the reads of answers that its typed code could fail on.
"""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from tests.compat.bodies import linux
from tests.compat.conftest import Service
from tests.compat.terraform import REGION, Gone, Provider, configured

TEMPLATES = "/v3/vm/templates"
MIGPROJECTS = "/v3/migprojects"
SOURCES = "/v3/sources"
TASKS = "/v3/tasks"
AUTO = {"id": "autoCreate", "name": "autoCreate"}


@pytest.fixture
def terraform(service: Service) -> Provider:
    return configured(service, f"tf-{uuid.uuid4().hex[:8]}")


def template(terraform: Provider, **changes: Any) -> dict[str, Any]:
    """The whole body of huaweicloud_sms_server_template, for creation and each change."""
    return {
        "template": {
            "name": "web",
            "is_template": True,
            "region": REGION,
            "projectid": terraform.project,
            "availability_zone": f"{REGION}a",
            "target_server_name": "web",
            "vpc": AUTO,
            "nics": [AUTO],
            "security_groups": [AUTO],
            "volumetype": "SAS",
        }
        | changes
    }


def read_template(terraform: Provider, template_id: str) -> dict[str, Any]:
    """As the provider's typed code reads it: Go refuses a value of another type, but not null."""
    shown: dict[str, Any] = terraform.get(f"{TEMPLATES}/{template_id}")["template"]
    texts = ("name", "is_template", "region", "projectid", "target_server_name", "flavor")
    for name in (*texts, "availability_zone", "volumetype", "target_password"):
        assert isinstance(shown.get(name), str | None), name
    for name in ("vpc", "publicip"):
        assert isinstance(shown.get(name), dict | None), name
    for name in ("nics", "security_groups", "disk"):
        assert isinstance(shown.get(name), list | None), name
    assert isinstance((shown.get("publicip") or {}).get("bandwidth_size"), int | None)
    return shown


def test_server_template(terraform: Provider):
    made = terraform.request("POST", TEMPLATES, template(terraform))["id"]
    shown = read_template(terraform, made)
    assert (shown["name"], shown["region"]) == ("web", REGION)
    assert shown["projectid"] == terraform.project
    assert (shown["volumetype"], shown["vpc"]["id"]) == ("SAS", "autoCreate")
    assert [nic["id"] for nic in shown["nics"]] == ["autoCreate"]
    assert [group["id"] for group in shown["security_groups"]] == ["autoCreate"]
    assert read_template(terraform, made) == shown  # a plan finds nothing to do

    public = {"type": "5_bgp", "bandwidth_size": 5}
    nic = {"id": str(uuid.uuid4()), "name": "subnet", "cidr": "192.0.2.0/24"}
    changed = template(terraform, name="web-2", publicip=public, nics=[nic], flavor="s6.large.2")
    terraform.request("PUT", f"{TEMPLATES}/{made}", changed)
    shown = read_template(terraform, made)
    assert (shown["name"], shown["publicip"]["bandwidth_size"]) == ("web-2", 5)
    assert (shown["nics"][0]["id"], shown["flavor"]) == (nic["id"], "s6.large.2")

    terraform.request("DELETE", f"{TEMPLATES}/{made}")
    with pytest.raises(Gone):
        read_template(terraform, made)
    with pytest.raises(Gone):  # deleted elsewhere meanwhile: not an error to the provider
        terraform.request("DELETE", f"{TEMPLATES}/{made}")


def test_server_templates(terraform: Provider):
    names = {f"t{n}" for n in range(3)}
    for name in names:
        terraform.request("POST", TEMPLATES, template(terraform, name=name))
    query = f"?availability_zone={REGION}a&region={REGION}"
    assert {t["name"] for t in terraform.pages(TEMPLATES + query, "templates", 100)} == names
    assert [t["name"] for t in terraform.pages(f"{TEMPLATES}?name=t1", "templates", 100)] == ["t1"]
    assert terraform.pages(f"{TEMPLATES}?name=t9", "templates", 100) == []


def migproject(**changes: Any) -> dict[str, Any]:
    return {
        "name": "move",
        "description": "",
        "region": REGION,
        "speed_limit": 0,
        "use_public_ip": True,
        "exist_server": False,
        "type": "MIGRATE_BLOCK",
        "syncing": False,
    } | changes


def test_migration_project(terraform: Provider):
    made = terraform.request("POST", MIGPROJECTS, migproject())["id"]
    shown = terraform.get(f"{MIGPROJECTS}/{made}")
    assert migproject().items() <= shown.items()
    assert shown["isdefault"] is False
    assert isinstance(shown["start_network_check"], bool)  # asserted to be one by the provider

    changed = migproject(name="move-2", speed_limit=100, start_target_server=True)
    terraform.request("PUT", f"{MIGPROJECTS}/{made}", changed)
    terraform.request("PUT", f"{MIGPROJECTS}/{made}/default", {})
    shown = terraform.get(f"{MIGPROJECTS}/{made}")
    assert changed.items() <= shown.items()
    assert shown["isdefault"] is True

    other = terraform.request("POST", MIGPROJECTS, migproject())["id"]
    terraform.request("PUT", f"{MIGPROJECTS}/{other}/default", {})
    terraform.request("DELETE", f"{MIGPROJECTS}/{made}", [made])  # with a body, as it does
    with pytest.raises(Gone):
        terraform.get(f"{MIGPROJECTS}/{made}")


def test_migration_projects(terraform: Provider):
    for n in range(3):
        terraform.request("POST", MIGPROJECTS, migproject(name=f"move-{n}"))
    found = terraform.pages(MIGPROJECTS, "migprojects")
    # And the default one, which the service makes.
    assert {p["name"] for p in found} >= {"move-0", "move-1", "move-2"}
    assert sum(p["isdefault"] for p in found) == 1


def source(**changes: Any) -> dict[str, Any]:
    """The body of huaweicloud_sms_source_server: what is empty, zero or false is not sent."""
    return {name: value for name, value in linux(**changes).items() if value}


def read_source(terraform: Provider, source_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = terraform.get(f"{SOURCES}/{source_id}")
    for name in ("disks", "volume_groups", "btrfs_list", "networks", "checks"):
        assert isinstance(shown.get(name), list | None), name  # asserted by the provider
    target = shown["init_target_server"]
    assert isinstance(target["disks"], list)
    assert isinstance(target.get("volume_groups"), list | None)
    for check in shown["checks"]:
        assert isinstance(check["id"], int)
        assert isinstance(check["params"], list)
        assert isinstance(check["error_params"], str | None)
    return shown


def test_source_server(terraform: Provider):
    project = terraform.request("POST", MIGPROJECTS, migproject())["id"]
    made = terraform.request("POST", SOURCES, source())["id"]
    terraform.request("PUT", f"{SOURCES}/{made}", {"migprojectid": project})
    shown = read_source(terraform, made)
    assert shown["name"] == "web-1"
    # The provider cannot say of a Linux server that it has none of these, and so it is not known.
    unknown = {c["name"] for c in shown["checks"] if c["result"] == "ERROR"}
    assert unknown == {"PARAVIRTUALIZATION", "RAW_DEVICES", "DISK_INFO", "FILE_SYSTEM"}

    # A change of one argument sends the lists of those that did not change, empty.
    terraform.request(
        "PUT", f"{SOURCES}/{made}", {"name": "web-2", "disks": [], "volume_groups": []}
    )
    assert read_source(terraform, made)["name"] == "web-2"

    disks = [{**source()["disks"][0], "size": 80 << 30}]
    body = {"disks": disks, "volumegroups": [], "btrfs_list": []}
    terraform.request("PUT", f"{SOURCES}/{made}/diskinfo", body)
    assert read_source(terraform, made)["disks"][0]["size"] == 80 << 30

    terraform.request("DELETE", f"{SOURCES}/{made}")
    with pytest.raises(Gone):
        read_source(terraform, made)


def test_source_servers(terraform: Provider):
    bodies = (linux(name=f"web-{n}") for n in range(3))  # as agents register
    ids = {terraform.request("POST", SOURCES, body)["id"] for body in bodies}
    # It reads the first page once more than it needs.
    terraform.get(SOURCES)
    found = terraform.pages(SOURCES, "source_servers")
    assert {server["id"] for server in found} == ids
    for server in found:
        assert isinstance(server["add_date"], int)
        assert isinstance(server["memory"], int)
        assert isinstance(server["connected"], bool)
        assert isinstance(server["oem_system"], bool | None)
        assert isinstance(server["current_task"], dict | None)
        assert all(isinstance(c["error_params"], str | None) for c in server["checks"])
    [one] = terraform.pages(f"{SOURCES}?ip=192.0.2.10&name=web-1&state=waiting", "source_servers")
    assert one["name"] == "web-1"
    [same] = terraform.pages(f"{SOURCES}?id={one['id']}", "source_servers")
    assert same == one


def test_source_server_overview_errors_and_command(terraform: Provider):
    made = terraform.request("POST", SOURCES, source(cpu_quantity=0))["id"]
    overview = terraform.get(f"{SOURCES}/overview")
    assert overview["unavailable"] == 1
    assert all(isinstance(count, int) for count in overview.values())
    # It looks for the pages' content under a name that the answer does not have: one request.
    assert terraform.pages("/v3/errors", "source_servers", 100) == []
    [error] = terraform.get("/v3/errors?limit=100&offset=0")["migration_errors"]
    assert error["source_id"] == made
    command = terraform.get(f"{SOURCES}/{made}/command")
    assert isinstance(command["command_name"], str)
    assert isinstance(command["command_param"], dict | None)


def test_agent_configs(terraform: Provider):
    answer = terraform.get("/v3/config")
    assert isinstance(answer["config"], dict)
    assert all(isinstance(value, str) for value in answer["config"].values())
    assert isinstance(answer["regions"], list)


@dataclass(frozen=True)
class Task:
    """A huaweicloud_sms_task, as its configuration has it, of a source with an agent."""

    terraform: Provider
    source_id: str
    template_id: str

    def body(self) -> dict[str, Any]:
        """What is left out, false or empty is not sent; the disks are those recommended."""
        target = self.terraform.get(f"{SOURCES}/{self.source_id}")["init_target_server"]
        disk = ("name", "size", "device_use")
        volume = ("file_system", "mount_point", "index", "uuid", "used_size")
        return {
            "name": "MigrationTask",
            "priority": 1,
            "type": "MIGRATE_BLOCK",
            "os_type": "LINUX",
            "region_name": REGION,
            "region_id": REGION,
            "project_name": REGION,
            "project_id": self.terraform.project,
            "source_server": {"id": self.source_id},
            "target_server": {
                "disks": [
                    {name: d[name] for name in disk}
                    | {"physical_volumes": [_some(v, *disk, *volume) for v in _volumes(d)]}
                    for d in target["disks"]
                ]
            },
            "vm_template_id": self.template_id,
            "use_public_ip": True,
            "start_target_server": True,
            "exist_server": False,
        }

    def read(self, task_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.terraform.get(f"{TASKS}/{task_id}")
        assert shown["source_server"]["id"] == self.source_id
        target = shown["target_server"]
        assert isinstance(target["disks"], list)
        for disk in target["disks"]:
            for name in ("size", "used_size"):  # asserted to be numbers by the provider
                assert isinstance(disk.get(name), int | None), name
        for further in ("speed-limit", "configuration-setting", "passphrase"):
            self.terraform.get(f"{TASKS}/{task_id}/{further}")
        for name in ("region_name", "project_id", "type", "os_type", "vm_template_id", "state"):
            assert isinstance(shown[name], str), name
        return shown

    def act(self, task_id: str, operation: str) -> None:
        self.terraform.request("POST", f"{TASKS}/{task_id}/action", {"operation": operation})


def _some(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: document[name] for name in names if document.get(name) is not None}


def _volumes(disk: dict[str, Any]) -> list[dict[str, Any]]:
    return disk.get("physical_volumes") or []


@pytest.fixture
def task(terraform: Provider) -> Task:
    source_id = terraform.request("POST", SOURCES, linux())["id"]
    template_id = terraform.request("POST", TEMPLATES, template(terraform))["id"]
    return Task(terraform, source_id, template_id)


def test_task(task: Task):
    made = task.terraform.request("POST", TASKS, task.body())["id"]
    shown = task.read(made)
    assert (shown["state"], shown["vm_template_id"]) == ("READY", task.template_id)
    assert shown["target_server"]["name"] == "web"  # of the template
    assert shown["start_target_server"] is True

    task.act(made, "start")
    # It looks until the state is RUNNING, and takes any other than READY for a failure.
    assert task.read(made)["state"] == "RUNNING"
    [listed] = task.terraform.pages(f"{TASKS}?source_server_id={task.source_id}", "tasks", 100)
    assert (listed["id"], listed["state"]) == (made, "RUNNING")
    assert [t["id"] for t in task.terraform.pages(f"{TASKS}?id={made}", "tasks", 100)] == [made]

    task.act(made, "stop")
    agent = f"{SOURCES}/{task.source_id}/command"
    assert task.terraform.get(agent)["command_name"] == "STOP"
    told = {"command_name": "STOP", "result": "success", "result_detail": {"key": "value"}}
    task.terraform.request("POST", f"{agent}_result", told)
    task.act(made, "restart")
    assert task.read(made)["state"] == "RUNNING"
    task.act(made, "stop")
    assert task.terraform.get(agent)["command_name"] == "STOP"
    task.terraform.request("POST", f"{agent}_result", told)

    task.terraform.request("DELETE", f"{TASKS}/{made}")
    with pytest.raises(Gone):
        task.read(made)


def test_settings_of_a_task(task: Task):
    made = task.terraform.request("POST", TASKS, task.body())["id"]
    path = f"{TASKS}/{made}"
    limits = [
        {"start": "00:00", "end": "08:00", "speed": 0},
        {"start": "08:00", "end": "24:00", "speed": 50, "over_speed_threshold": 50.5},
    ]
    task.terraform.request("POST", f"{path}/speed-limit", {"speed_limit": limits})
    found = task.terraform.get(f"{path}/speed-limit")["speed_limit"]
    assert [(row["start"], row["end"], row["speed"]) for row in found] == [
        ("00:00", "08:00", 0),
        ("08:00", "24:00", 50),
    ]
    wanted = [{"config_key": "LINUX_CPU_LIMIT", "config_value": "50"}]
    task.terraform.request("POST", f"{path}/configuration-setting", {"configurations": wanted})
    answer = task.terraform.get(f"{path}/configuration-setting")
    assert isinstance(answer["migrate_type"], str)
    assert [wanted[0].items() <= found.items() for found in answer["configurations"]] == [True]
    assert isinstance(task.terraform.get(f"{path}/passphrase")["passphrase"], str)


def test_reports_and_data_sources_of_a_task(task: Task):
    made = task.terraform.request("POST", TASKS, task.body())["id"]
    path = f"{TASKS}/{made}"
    task.act(made, "start")
    compared = {
        "dir_check": "/etc",
        "num_total_files": 10,
        "num_different_files": 1,
        "num_target_miss_files": 0,
        "num_target_more_files": 0,
    }
    told = {"consistency_result": [compared]}
    task.terraform.request("POST", f"{path}/consistency-result", told)
    [result] = task.terraform.get(f"{path}/consistency-result")["result_list"]
    # A text, as the contract has it. The provider looks for an object, and shows nothing of it.
    assert json.loads(result) == compared
    measured = {
        "network_delay": 20.0,
        "network_jitter": 2.0,
        "migration_speed": 100.0,
        "loss_percentage": 0.0,
        "cpu_usage": 20.0,
        "mem_usage": 20.0,
        "evaluation_result": "6",
        "domain_connectivity": True,
        "destination_connectivity": True,
    }
    task.terraform.request("POST", f"/v3/{made}/update-network-check-info", measured)
    progress = {
        "subtask_name": "MIGRATE_LINUX_BLOCK",
        "progress": 10,
        "replicatesize": 1 << 30,
        "totalsize": 10 << 30,
        "process_trace": "",
        "migrate_speed": 100.5,
    }
    task.terraform.request("PUT", f"{path}/progress", progress)
    [listed] = task.terraform.pages(f"{TASKS}?id={made}", "tasks", 100)
    assert listed["network_check_info"]["network_delay"] == 20
    assert {p["name"]: p["progress"] for p in listed["sub_tasks"]}["MIGRATE_LINUX_BLOCK"] == 10
    task.terraform.request("POST", f"{path}/log", {"log_bucket": "logs"})
    [listed] = task.terraform.pages(f"{TASKS}?id={made}", "tasks", 100)
    assert listed["log_collect_status"] == "UPLOADING"


def test_source_server_with_a_task(task: Task):
    made = task.terraform.request("POST", TASKS, task.body())["id"]
    shown = read_source(task.terraform, task.source_id)
    assert shown["current_task"]["id"] == made
    # The provider asserts a list where the API has an object, and so only reads an absent one.
    assert shown["current_task"]["clone_server"] is None
    [listed] = task.terraform.pages(f"{SOURCES}?id={task.source_id}", "source_servers")
    assert isinstance(listed["current_task"]["speed_limit"], int)
    assert isinstance(listed["current_task"].get("migrate_speed"), int | float | None)


def test_another_project_of_the_user_is_named_without_being_signed(service: Service):
    name = f"tf-{uuid.uuid4().hex[:8]}"
    with service.house() as house:
        house.user(name, one="operator", two="reader")
        one, two = house.project("one").id, house.project("two").id
    printed = service.rehost("user", "key", "create", name)
    access, secret = (line.split()[1] for line in printed.splitlines())
    domain = Provider(service, access, secret).get("/v3/auth/domains")["domains"][0]["id"]
    in_one = Provider(service, access, secret, project=one, domain=domain)
    in_two = Provider(service, access, secret, project=two, domain=domain)
    made = in_one.request("POST", SOURCES, source())["id"]
    assert read_source(in_one, made)["id"] == made
    with pytest.raises(Gone):
        read_source(in_two, made)
