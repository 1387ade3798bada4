"""The operations, fields and limits of the API's contract, against our OpenAPI document.

A request of the contract must be taken: ours may allow more, never less. An answer must have
every documented field with its type. Where ours differs, it is listed in differences.py and
nowhere else.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from rehost.control.api import OPERATIONS
from rehost.control.openapi import document
from rehost.control.operation import Operation
from tests.compat.bodies import CONTRACT, identified, linux
from tests.compat.conftest import Service
from tests.compat.differences import (
    FILES,
    IGNORED,
    NEEDED,
    OPTIONAL,
    OPTIONAL_FIELDS,
    OUR_FIELDS,
    OUR_PARAMETERS,
    OUR_VALUES,
    PAGES,
)

DOCUMENT = document(OPERATIONS)
MODELS = CONTRACT["models"]

SERVED = {
    "ShowServer", "ListServers", "RegisterServer", "UpdateServerName", "UpdateDiskInfo",
    "DeleteServer", "DeleteServers", "ShowOverview", "ListErrorServers", "ShowCommand",
    "UpdateCommandResult", "ListApiVersion", "ShowApiVersion", "ShowConfig",
    "CreateMigproject", "ListMigprojects", "ShowMigproject", "UpdateMigproject",
    "UpdateDefaultMigproject", "DeleteMigproject",
    "CreateTemplate", "ListTemplates", "ShowTemplate", "UpdateTemplate", "DeleteTemplate",
    "DeleteTemplates", "ShowTargetPassword", "CreatePrivacyAgreements", "ShowPrivacyAgreements",
    "CreateTask", "ListTasks", "ShowTask", "UpdateTask", "DeleteTask", "DeleteTasks",
    "UpdateTaskStatus", "UpdateTaskSpeed", "UpdateNetworkCheckInfo", "ShowPassphrase",
    "ShowCertKey", "UpdateCopyState", "ShowsSpeedLimits", "UpdateSpeed", "ShowConfigSetting",
    "UploadSpecialConfigurationSetting", "CollectLog", "UpdateConsistencyResult",
    "ShowConsistencyResult", "ExportConsistencyResults",
}  # fmt: skip
NOT_YET: set[str] = set()

# The SDK's own field: the raw body of an answer that has no fields.
NOT_ON_THE_WIRE = {"body"}

TYPES = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean",
         "array": "array", "object": "object", "map": "object", "any": "object"}  # fmt: skip
PYTHON: dict[str, Any] = {"string": str, "integer": int, "number": (int, float),
                          "boolean": bool, "array": list, "object": dict}  # fmt: skip
PARAMETERS = {"str": "string", "int": "integer", "bool": "boolean"}
LIMITS = {"min_length": "minLength", "max_length": "maxLength",
          "minimum": "minimum", "maximum": "maximum"}  # fmt: skip

served = pytest.mark.parametrize("name", sorted(SERVED))


def test_contract_is_served_or_known_to_be_missing():
    assert set(CONTRACT["operations"]) == SERVED | NOT_YET
    ours = {(o.method, o.path) for o in OPERATIONS}
    found = {name for name, o in CONTRACT["operations"].items() if (o["method"], o["path"]) in ours}
    assert found == SERVED


@served
def test_operation_has_the_contract_s_name(name: str):
    assert operation(name).name == CONTRACT["operations"][name]["python"]


@served
def test_caller_needs_the_documented_action(name: str):
    action = CONTRACT["operations"][name]["iam_action"]
    assert operation(name).action == action or (action is None and not public(name))


@served
def test_query_parameters(name: str):
    ours = {p["name"]: p for p in described(name)["parameters"] if p["in"] == "query"}
    theirs = {p["name"]: p for p in CONTRACT["operations"][name]["query_params"]}
    assert ours.keys() - OUR_PARAMETERS.get(name, set()) == theirs.keys()
    for field, parameter in theirs.items():
        compare(parameter, ours[field]["schema"], field, request=True)
        assert not ours[field]["required"]
        assert not parameter["required"] or field in OPTIONAL[name]
        default = (parameter.get("constraints") or {}).get("default", PAGES.get((name, field)))
        assert ours[field]["schema"].get("default") == default


def test_limits_of_pages():
    limits = {
        (name, p["name"]): (p["schema"]["minimum"], p["schema"]["maximum"], p["schema"]["default"])
        for name in ("ListServers", "ListErrorServers")
        for p in described(name)["parameters"]
        if p["name"] in ("limit", "offset")
    }
    assert limits == {
        ("ListServers", "limit"): (0, 200, 200),
        ("ListServers", "offset"): (0, 65535, 0),
        ("ListErrorServers", "limit"): (0, 100, 50),
        ("ListErrorServers", "offset"): (0, 65535, 0),
    }


@served
def test_path_parameters(name: str):
    ours = [p["name"] for p in described(name)["parameters"] if p["in"] == "path"]
    assert ours == [p["name"] for p in CONTRACT["operations"][name]["path_params"]]


@served
def test_request_body(name: str):
    model = CONTRACT["operations"][name]["body_model"]
    body = described(name).get("requestBody")
    assert (body is None) == (model is None)
    if body is not None:
        compare_model(model, body["content"]["application/json"]["schema"], request=True)


@served
def test_answer(name: str):
    model = CONTRACT["operations"][name]["response_model"]
    [(media, body)] = described(name)["responses"]["200"]["content"].items()
    answer = body["schema"]
    if media != "application/json":
        assert media == FILES[name]
        assert answer == {"type": "string", "format": "binary"}
        return
    compare_model(model, answer, request=False)


def test_error_body():
    ours = DOCUMENT["components"]["schemas"]["ErrorResponse"]["properties"]
    assert ours.keys() == MODELS["ErrorResponse"]["fields"].keys()
    assert {name: field["type"] for name, field in ours.items()} == {
        "error_code": "string",
        "error_msg": "string",
        "encoded_authorization_message": "string",
        "error_param": "array",
        "details": "array",
    }


@pytest.mark.parametrize("body", [linux(), linux(facts=identified("disk-c"))], ids=["sdk", "own"])
def test_real_answers_have_every_documented_field(service: Service, body: dict[str, Any]):
    token = service.token(project="contract")
    changes = {"disks": [linux_disk()], "volume_groups": [VOLUME_GROUP], "btrfs_list": [BTRFS]}
    status, _, answer = service.call("POST", "/v3/sources", body | changes, X_Auth_Token=token)
    assert status == 200, answer
    _, _, shown = service.call("GET", f"/v3/sources/{answer['id']}", X_Auth_Token=token)
    check_value("ShowServerResponse", shown, absent={"current_task"})
    _, _, listed = service.call("GET", f"/v3/sources?id={answer['id']}", X_Auth_Token=token)
    check_value("ListServersResponse", listed, absent={"current_task"})


@pytest.mark.parametrize("ignored", [{"state": "finished"}, {"migration_cycle": "cutovered"}])
def test_state_is_the_service_s_to_say(service: Service, ignored: dict[str, str]):
    token = service.token(project="contract")
    _, _, answer = service.call("POST", "/v3/sources", linux(**ignored), X_Auth_Token=token)
    _, _, shown = service.call("GET", f"/v3/sources/{answer['id']}", X_Auth_Token=token)
    assert (shown["state"], shown["migration_cycle"]) == ("waiting", "setting")


def operation(name: str) -> Operation:
    theirs = CONTRACT["operations"][name]
    [ours] = [o for o in OPERATIONS if (o.method, o.path) == (theirs["method"], theirs["path"])]
    return ours


def public(name: str) -> bool:
    return CONTRACT["operations"][name]["caller"] != "any" and operation(name).action is None


def described(name: str) -> dict[str, Any]:
    theirs = CONTRACT["operations"][name]
    return dict(DOCUMENT["paths"][theirs["path"]][theirs["method"].lower()])


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """What a schema stands for, whether or not it may be null."""
    if "anyOf" in schema:
        [schema] = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def compare_model(model: str, schema: dict[str, Any], *, request: bool) -> None:
    ours = resolved(schema)
    theirs = {n: f for n, f in MODELS[model]["fields"].items() if n not in NOT_ON_THE_WIRE}
    expected = theirs.keys() - IGNORED.get(model, set()) | OUR_FIELDS.get(model, set())
    assert ours.get("properties", {}).keys() == expected, model
    for name, field in theirs.items():
        if name in expected:
            compare(field, ours["properties"][name], f"{model}.{name}", request=request)
    if request:
        needed = {name for name, field in theirs.items() if field["required"]}
        expected = needed - OPTIONAL_FIELDS.get(model, set()) | NEEDED.get(model, set())
        assert set(ours.get("required", ())) == expected, model


def compare(field: dict[str, Any], schema: dict[str, Any], place: str, *, request: bool) -> None:
    ours = resolved(schema)
    theirs = field.get("schema") or {"kind": PARAMETERS[field["type"]]}
    kind = TYPES[theirs["kind"]]
    assert kind in ours["type"], place  # a text, or a list with "null"
    if theirs["kind"] == "object":
        compare_model(theirs["model"], ours, request=request)
    elif kind == "array":
        compare({"schema": theirs["items"]}, ours["items"], place, request=request)
    elif theirs["kind"] == "map":
        assert resolved(ours["additionalProperties"])["type"] == "string"
    if "enum" in ours and ("enum" in field or request):
        compare_values(field["enum"], ours["enum"], place)
    if request:
        compare_limits(field.get("constraints") or {}, ours, place)


def compare_values(theirs: list[str], ours: list[str], place: str) -> None:
    assert set(theirs) <= set(ours), place
    more = set(ours) - set(theirs)
    assert more <= OUR_VALUES.get(place.rsplit(".", 1)[-1], set()), place


def compare_limits(theirs: dict[str, Any], ours: dict[str, Any], place: str) -> None:
    for name, keyword in LIMITS.items():
        if name in theirs and keyword in ours:
            narrower = (
                ours[keyword] < theirs[name] if "max" in name else ours[keyword] > theirs[name]
            )
            assert not narrower, f"{place} {keyword}"


def check_value(model: str, value: dict[str, Any], *, absent: set[str]) -> None:
    """Each documented field is there and has the documented type; lists have been filled."""
    for place, schema, found in documented(model, value, absent):
        assert isinstance(found, PYTHON[TYPES[schema["kind"]]]), (place, found)
        assert schema["kind"] != "integer" or not isinstance(found, bool), place


def documented(
    model: str, value: dict[str, Any], absent: set[str]
) -> Iterator[tuple[str, dict[str, Any], Any]]:
    for name, field in MODELS[model]["fields"].items():
        place, schema = f"{model}.{name}", field["schema"]
        assert name in value, place
        found = value[name]
        if found is None and name in absent | NULL:
            continue
        yield place, schema, found
        inner = schema.get("items", schema)
        if inner["kind"] == "object":
            for item in found if schema["kind"] == "array" else [found]:
                yield from documented(inner["model"], item, absent)


# What the checks say of a row that is OK, and what does not apply to Linux.
NULL = {"error_code", "error_or_warn", "oem_system"}
VOLUME_GROUP = {
    "name": "vg0",
    "components": "/dev/vda2",
    "size": 8 << 30,
    "free_size": 0,
    "logical_volumes": [
        {
            "name": "/dev/mapper/vg0-home",
            "device_use": "NORMAL",
            "file_system": "xfs",
            "mount_point": "/home",
            "size": 8 << 30,
            "used_size": 1 << 30,
            "free_size": 7 << 30,
            "block_count": 2097152,
            "block_size": 4096,
            "inode_size": 512,
            "inode_nums": 4194304,
        }
    ],
}
BTRFS = {
    "name": "/dev/vdb",
    "label": "data",
    "uuid": "7d0d7f5e-20ae-4c1c-9bd0-0c1f7a4a4a10",
    "device": "/dev/vdb",
    "size": 10 << 30,
    "nodesize": 16384,
    "sectorsize": 4096,
    "data_profile": "single",
    "system_profile": "dup",
    "metadata_profile": "dup",
    "global_reserve1": "single",
    "g_vol_used_size": 1 << 20,
    "default_subvolid": "5",
    "default_subvol_name": "",
    "default_subvol_mountpath": "/data",
    "subvolumn": [
        {
            "uuid": "a6f1e3a2-8f0e-3d45-8a5c-1f2f6e6f0001",
            "is_snapshot": "false",
            "subvol_id": "256",
            "parent_id": "5",
            "subvol_name": "photos",
            "subvol_mount_path": "",
        }
    ],
}


def linux_disk() -> dict[str, Any]:
    disk: dict[str, Any] = linux()["disks"][0]
    return disk
