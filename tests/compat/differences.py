"""Where this service differs from the API's contract; docs/compat.md is made from it.

tests/compat/test_contract.py fails on any difference of names, types and limits that is not here.
What no schema states is in DEPARTURES and RULES, each with the test that shows it.
"""

# Fields that the API does not have, by its name of the model.
OUR_FIELDS = {
    "PostSourceServerBody": {"facts"},
    "RegisterServerResponse": {"agent_token"},
    "EnvironmentCheck": {"remedy"},
    "ShowServerResponse": {"facts"},
    # One type describes the task of a source, where the source is shown and where it is listed.
    "TaskByServerSource": {
        "estimate_complete_time",
        "compress_rate",
        "remain_seconds",
        "log_bucket",
        "log_expire",
        "log_upload_time",
        "log_share_url",
    },
    "CommandParam": {"command_id"},
    "ShowApiVersionResponse": {"version"},
    # One type describes volumes of sources and of targets; targets do not show these.
    "PhysicalVolumes": {"inode_nums", "size_per_cluster"},
}
# Fields of requests that are taken and not read.
IGNORED = {"PostSourceServerBody": {"state", "migration_cycle"}}  # the service decides these
# Values that the contract's table does not have, but the API's pages do.
OUR_VALUES = {
    "state": {"premiging", "SYNC_SUCCESS", "SYNC_FAIL", "SKIPPING", "RESETING"},
    "operation": {"collect_log", "sync", "sync_failed_rollback"},
}
# Fields that clients may leave out here, and by the contract must not.
OPTIONAL = {"ListErrorServers": {"offset"}}
# The same of fields of bodies: Terraform's provider does leave them out.
OPTIONAL_FIELDS = {"Nics": {"cidr"}, "TargetServerByTask": {"name", "vm_id"}}
# Sizes of pages that the contract's table does not have, but the API's pages do.
PAGES = {
    ("ListMigprojects", "limit"): 50,
    ("ListMigprojects", "offset"): 0,
    ("ListTasks", "limit"): 50,
    ("ListTasks", "offset"): 0,
}
# Fields that clients must give here, and by the contract may leave out.
NEEDED = {"PutDisk": {"id"}}  # without it, nobody knows which disk is meant
# Answers that are files, by their media types: the contract does not describe what is in them.
FILES = {"ExportConsistencyResults": "text/csv"}

SOURCES = "tests/compat/test_sources.py"
TEMPLATES = "tests/compat/test_templates.py"
MIGPROJECTS = "tests/compat/test_migprojects.py"
# By operation: what it does that the public service does not, or not so, and the test of it.
DEPARTURES: dict[str, tuple[tuple[str, str], ...]] = {
    "RegisterServer": (
        (
            "another project's machine is a conflict: SMS.2013 with 409, 401 in the older table",
            f"{SOURCES}::test_machine_of_another_project_is_a_conflict",
        ),
        (
            "a one-time code in X-Enrolment-Code stands for the token",
            f"{SOURCES}::test_enrolment_code_registers_once",
        ),
    ),
}
# By operation: what it does where the API's description leaves it open, and the test of it.
RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "RegisterServer": (
        (
            "a machine that is registered again is updated and keeps its id",
            f"{SOURCES}::test_same_machine_again_is_updated_and_keeps_its_id_and_given_name",
        ),
    ),
    "ShowServer": (
        (
            "an agent sees its own source only (SMS.2248)",
            f"{SOURCES}::test_agent_sees_only_its_own_source",
        ),
    ),
    "UpdateDiskInfo": (
        (
            "checks and recommended target follow",
            f"{SOURCES}::test_disks_reported_anew_change_checks_and_target",
        ),
    ),
    "UpdateServerName": (
        (
            "also the disks of the target can be adjusted",
            f"{SOURCES}::test_disks_of_the_target_can_be_adjusted",
        ),
    ),
    "DeleteServers": (
        (
            "all of the named are deleted, or none",
            f"{SOURCES}::test_deleted_sources_are_gone_all_or_none",
        ),
    ),
    "UpdateCommandResult": (
        (
            "the result of a command that was not handed out is SMS.2009",
            f"{SOURCES}::test_result_of_a_command_never_handed_out_is_refused",
        ),
    ),
    "ShowCommand": (
        ("the poll is the agent's heartbeat", f"{SOURCES}::test_poll_is_the_heartbeat"),
    ),
    "CreateMigproject": (
        (
            "names are unique in a project",
            f"{MIGPROJECTS}::test_names_are_unique_in_a_project",
        ),
    ),
    "ListMigprojects": (
        (
            "the first look makes the default one",
            f"{MIGPROJECTS}::test_the_first_look_makes_the_default",
        ),
    ),
    "UpdateDefaultMigproject": (
        (
            "there is always exactly one default",
            f"{MIGPROJECTS}::test_there_is_always_one_default",
        ),
    ),
    "ShowTemplate": (
        (
            "an agent sees the template of its own task only",
            f"{TEMPLATES}::test_an_agent_sees_the_template_of_its_own_task_only",
        ),
    ),
    "UpdateTemplate": (
        ("what is left out stays", f"{TEMPLATES}::test_what_an_update_leaves_out_stays"),
    ),
    "DeleteTemplates": (
        (
            "all of the named are deleted, or none",
            f"{TEMPLATES}::test_many_are_deleted_together_or_not_at_all",
        ),
    ),
    "ShowTargetPassword": (
        (
            "the only answer with the password, which is stored encrypted",
            f"{TEMPLATES}::test_the_password_is_in_no_answer_file_or_log",
        ),
    ),
    "CreatePrivacyAgreements": (
        (
            "each user and each agent accepts for itself",
            "tests/compat/test_agreements.py::test_each_caller_accepts_for_itself",
        ),
    ),
}
