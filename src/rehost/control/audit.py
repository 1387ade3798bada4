"""What goes into the audit trail. The edge asks here; only log-ins write of their own accord.

An entry is made of names and ids that the service itself knows, never of a body's other fields: no
secret can be in it. See docs/decisions for when it is written.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rehost.control.clock import now_ms
from rehost.control.operation import Caller, Context, Operation, Reply
from rehost.control.services import Services
from rehost.control.store import audit as table
from rehost.control.store.audit import Entry
from rehost.errors import Error

log = logging.getLogger(__name__)

DAY = 24 * 3600 * 1000
LONGEST = 255  # of a resource id, as the table has it
LOGGED_IN = "login"

# As the API's own trail names them. An operation that is not here goes by its own name.
EVENTS: Mapping[str, str] = {
    "collect_log": "task-collect-log-request",
    "create_migproject": "addMigProject",
    "create_privacy_agreements": "CreatePrivacyAgreements",
    "create_task": "CreateTask",
    "create_template": "addTemplate",
    "delete_migproject": "removeMigProject",
    "delete_server": "removeSource",
    "delete_servers": "removeSources",
    "delete_task": "deleteTask",
    "delete_tasks": "deleteTasks",
    "delete_template": "deleteTemplate",
    "delete_templates": "deleteTemplates",
    "export_consistency_results": "GetBatchConsistencyCheckResult",
    "register_server": "RegisterSourceServer",
    "show_cert_key": "getCertKey",
    "show_passphrase": "getTaskPassPhrase",
    "show_target_password": "getTargetPassword",
    "update_command_result": "processCommandResult",
    "update_consistency_result": "UpdateConsistencyResult",
    "update_copy_state": "updateCopyState",
    "update_default_migproject": "setMigProjectDefault",
    "update_disk_info": "updateSourceDiskInfo",
    "update_migproject": "updateMigProject",
    "update_network_check_info": "updateNetworkCheckInfo",
    "update_server_name": "updateSource",
    "update_speed": "updateSpeedLimit",
    "update_task": "UpdateTask",
    "update_task_status": "updateTaskStatus",
    "update_template": "updateTemplate",
    "upload_special_configuration_setting": "updateSpecialConfigSetting",
}
# They read, but what they hand out is a secret.
SECRETS = frozenset({"show_target_password", "show_passphrase", "show_cert_key"})
# Progress comes every few seconds from each agent and says nothing that the task does not show.
# A log-in writes its own entry: the edge does not know who tries.
NOT_HERE = frozenset({"update_task_speed", "create_token"})


def is_audited(operation: Operation) -> bool:
    changes = operation.method not in ("GET", "HEAD")
    return (changes and operation.name not in NOT_HERE) or operation.name in SECRETS


def event(operation: Operation) -> str:
    return EVENTS.get(operation.name, operation.name)


def note(
    operation: Operation,
    context: Context,
    path: Mapping[str, Any],
    *,
    body: object = None,
    result: object = None,
    error: Error | None = None,
) -> None:
    """Write what became of a request, with an entry for each resource of a batch.

    A trail that cannot be written is logged, not an error of the request, which has been decided.
    """
    caller = context.caller
    kind, caller_id = _who(caller)
    status = result.status if isinstance(result, Reply) and result.status else operation.status
    entry = Entry(
        at=now_ms(),
        domain_id=caller.domain_id,
        project_id=caller.project_id,
        caller_kind=kind,
        caller_id=caller_id,
        caller=caller.user_name,
        client_ip=context.client_ip,
        event=event(operation),
        resource=operation.resource,
        resource_id="",
        status=int(error.status if error else status),
        error_code=error.code if error else "",
        request_id=context.request_id,
    )
    ids = _resource_ids(path, body, result)
    _write(context.services, *(replace(entry, resource_id=_fitting(each)) for each in ids))


def note_log_in(
    context: Context, *, domain_id: str, user_id: str, user_name: str, error: Error | None
) -> None:
    """Write that a user logged in, or that somebody tried to. An unknown name is not written: it
    may be a password in the wrong field."""
    _write(
        context.services,
        Entry(
            at=now_ms(),
            domain_id=domain_id,
            project_id=None,
            caller_kind="user",
            caller_id=user_id,
            caller=user_name,
            client_ip=context.client_ip,
            event=LOGGED_IN,
            resource="tokens",
            resource_id="",
            status=int(error.status) if error else 201,
            error_code=error.code if error else "",
            request_id=context.request_id,
        ),
    )


def _write(services: Services, *entries: Entry) -> None:
    days = services.config.audit_days
    at = entries[0].at
    try:
        with services.database.write() as db:
            table.add(db, *entries, keep_since=at - days * DAY if days else None)
    except Exception:
        log.exception("request %s is missing in the audit trail", entries[0].request_id)


def _who(caller: Caller) -> tuple[str, str]:
    if caller.source_id is not None:
        return "agent", caller.source_id
    if caller.enrolment is not None:
        return "enrolment", ""
    return "user", caller.user_id or ""


def _resource_ids(path: Mapping[str, Any], body: object, result: object) -> tuple[str, ...]:
    """The ids in the path, else each in the body of a batch, else that of what was made."""
    if path:
        return (",".join(map(str, path.values())),)
    return tuple(dict.fromkeys(getattr(body, "ids", ()))) or (str(getattr(result, "id", "")),)


def _fitting(resource_id: str) -> str:
    """As the table takes it: it may be anything that somebody put into a path."""
    resource_id = resource_id.replace("\0", "�")
    return resource_id if len(resource_id) <= LONGEST else resource_id[: LONGEST - 1] + "…"
