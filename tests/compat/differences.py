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
    "CommandParam": {"command_id", "verify"},
    "ShowApiVersionResponse": {"version"},
    # One type describes volumes of sources and of targets; targets do not show these.
    "PhysicalVolumes": {"inode_nums", "size_per_cluster"},
}
# Fields of requests that are taken and not read.
IGNORED = {"PostSourceServerBody": {"state", "migration_cycle"}}  # the service decides these
# Query parameters that clients may give here, and the contract does not have.
OUR_PARAMETERS = {"ShowCommand": {"carrying_out"}}
# Values that the contract's table does not have, but the API's pages do.
OUR_VALUES = {
    "state": {"premiging", "SYNC_SUCCESS", "SYNC_FAIL", "SKIPPING", "RESETING"},
    "operation": {"collect_log", "sync", "sync_failed_rollback"},
    "config_key": {
        "BOOT_PROBE",
        "ON_READ_ERROR",
        "TARGET_MAC",
        "TARGET_NETWORK",
        "TARGET_HOSTNAME",
        "TARGET_IDENTITY",
    },
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
TASKS = "tests/compat/test_tasks.py"
REPORTS = "tests/compat/test_task_reports.py"
RUNNER = "tests/compat/test_runner.py"
DESTINATION = "tests/compat/test_destination.py"
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
    "CreateTask": (
        (
            "a source that its checks find unfit is not started: 409, or SMS.2206 for its system",
            f"{TASKS}::test_an_unfit_source_is_not_started",
        ),
        (
            "tasks of type MIGRATE_FILE are kept but cannot be started yet",
            f"{TASKS}::test_files_cannot_be_migrated_by_themselves",
        ),
        (
            "an existing server is not taken, exist_server and target_server.vm_id are kept: the "
            "target is always a new one. Of target_server.disks the sizes are followed; "
            "physical_volumes, volume_groups and btrfs_list are not, blocks are copied as they are",
            f"{RUNNER}::test_a_task_has_a_target_of_its_own_whatever_server_is_named",
        ),
        (
            "region and project of the body are kept and shown: a task is its source's project's",
            f"{TASKS}::test_places_of_a_task_are_kept_and_it_belongs_to_its_source_s_project",
        ),
        (
            "use_public_ip is kept and changes nothing: the service has one address",
            f"{DESTINATION}::test_a_public_address_is_not_asked_for",
        ),
        (
            "with use_ipv6, and no migration_ip, it is not started where the service has an IPv4 "
            "address: 409",
            f"{DESTINATION}::test_by_ipv6_a_task_is_not_started_where_the_service_has_no_such_"
            "address",
        ),
    ),
    "UpdateTask": (
        (
            "of target_server the name, ids, ip and snapshots are kept and shown, its disks and "
            "the rest not read; target_disk_ids is kept",
            f"{TASKS}::test_what_is_told_of_a_target_is_shown_and_its_disks_are_not_read",
        ),
    ),
    "UpdateTaskStatus": (
        (
            "switch_hce is refused: 400; a system stays the distribution that it is",
            f"{TASKS}::test_a_system_is_not_replaced_by_another_distribution",
        ),
    ),
    "CreateMigproject": (
        (
            "type, region and enterprise_project are kept and shown: a task says its own",
            f"{TASKS}::test_a_migration_project_says_nothing_of_a_task_s_type_and_place",
        ),
    ),
    "UpdateServerName": (
        (
            "volumes can be neither left out nor resized: 400; disks are copied whole",
            f"{SOURCES}::test_disks_of_the_target_can_be_adjusted",
        ),
    ),
    "UpdateCopyState": (
        (
            "the state follows the task; what contradicts it is a 409",
            f"{REPORTS}::test_a_source_s_state_is_its_task_s",
        ),
    ),
    "ShowCertKey": (
        (
            "an agent gets its own key only, and nobody one for a task that ended",
            f"{REPORTS}::test_an_agent_gets_its_own_certificate_and_nobody_else_s",
        ),
        (
            "a certificate is good for one run: a task that is started again wants another",
            f"{RUNNER}::test_a_certificate_is_refused_once_its_task_was_stopped",
        ),
    ),
    "CollectLog": (
        (
            "our agent uploads to the service, whatever bucket is named",
            f"{REPORTS}::test_a_log_is_uploaded_by_its_agent_and_downloaded_by_an_operator",
        ),
    ),
    "UploadSpecialConfigurationSetting": (
        (
            "keys about files, about the comparison, DYNAMIC_PORT and INSTALL_PWD_AGENT are kept "
            "and shown, and not followed: docs/agent.md",
            f"{REPORTS}::test_configurations_that_are_not_followed_are_kept_as_they_are",
        ),
    ),
}
# By operation: what it does where the API's description leaves it open, and the test of it.
RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "CreateTask": (
        (
            "priority is how far copying stands back for the source's own work",
            f"{TASKS}::test_the_agent_is_told_how_far_to_stand_back",
        ),
        (
            "migration_ip is an address of the kind that use_ipv6 says; the agent sends there, "
            "else to the service's",
            f"{DESTINATION}::test_a_task_is_not_made_with_an_address_that_it_cannot_be_sent_to",
        ),
        (
            "is_need_consistency_check compares once more before the cut; once all is copied, "
            "both ends are compared in any case",
            f"{TASKS}::test_the_last_command_says_whether_to_compare_again",
        ),
    ),
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
        (
            "what is chosen once the target of a task is made is of the next target",
            f"{TASKS}::test_disks_chosen_once_the_target_is_made_are_of_the_next",
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
        (
            "takes carrying_out too, and then gives again what was not confirmed",
            f"{REPORTS}::test_a_command_whose_answer_was_lost_comes_again",
        ),
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
    "UpdateTask": (
        (
            "migration_ip and use_ipv6 fit each other, also with what is stored",
            f"{DESTINATION}::test_addresses_that_stay_are_of_the_kind_that_is_changed_to",
        ),
        (
            "an agent cannot give its task another template",
            f"{TEMPLATES}::test_an_agent_cannot_give_its_task_another_template",
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
    "ListTasks": (
        (
            "newest first; count is of all that match",
            f"{TASKS}::test_lists_are_counted_and_filtered",
        ),
    ),
    "CreateTemplate": (
        (
            "what of it is followed: docs/targets.md; flavors and networks that there are not are "
            "told when a task is to use them",
            f"{RUNNER}::test_template_that_cannot_be_followed_is_refused_with_its_task",
        ),
    ),
    "ShowTask": (
        (
            "target_server is what was made, or will be: sizes with the template's",
            f"{RUNNER}::test_template_makes_the_target_larger_and_it_is_shown_as_it_is",
        ),
        (
            "an agent sees the task of its own source only (SMS.2248)",
            f"{TASKS}::test_an_agent_reaches_its_own_task_alone",
        ),
    ),
    "DeleteTask": (
        (
            "the target goes with its task unless the migration succeeded",
            f"{RUNNER}::test_the_target_of_what_was_not_migrated_goes_with_its_task",
        ),
    ),
    "DeleteTasks": (
        (
            "all of the named are deleted, or none",
            f"{TASKS}::test_a_running_task_is_not_deleted_nor_its_source",
        ),
    ),
    "UpdateTaskSpeed": (
        (
            "a task that is too fast for its threshold is stopped",
            f"{REPORTS}::test_a_task_that_is_too_fast_is_stopped",
        ),
    ),
    "UpdateTaskStatus": (
        (
            "skip leaves out the comparison of both ends that is under way, or the next; the state "
            "stays as it is",
            f"{TASKS}::test_a_comparison_is_skipped_by_a_command_that_takes_nothing_back",
        ),
        (
            "migration_test is a test whose outcome the source shows",
            f"{TASKS}::test_a_drill_that_is_needed_is_due_once_the_target_is_in_step",
        ),
        (
            "template_id is of the server that the operation makes, else 400",
            f"{TASKS}::test_an_operation_can_bring_its_template",
        ),
    ),
    "UpdateSpeed": (
        (
            "rows may go on past midnight, but not overlap",
            f"{REPORTS}::test_wrong_speed_limits_are_told",
        ),
    ),
    "ShowsSpeedLimits": (
        (
            "what no row is about has the task's own limit",
            f"{REPORTS}::test_speed_limits_cover_the_day",
        ),
    ),
    "UploadSpecialConfigurationSetting": (
        (
            "keys that are not given stay",
            f"{REPORTS}::test_configurations_are_merged_by_key",
        ),
        (
            "MIGRATE_DST_IP goes before the task's migration_ip",
            f"{DESTINATION}::test_the_address_is_the_configured_one_else_the_task_s_else_the_"
            "service_s",
        ),
    ),
    "ShowPassphrase": (
        (
            "made with the task, stored encrypted",
            f"{REPORTS}::test_the_passphrase_is_stored_encrypted",
        ),
    ),
    "ExportConsistencyResults": (
        (
            "a CSV file with the last comparison of each task",
            f"{REPORTS}::test_consistency_results_are_shown_and_exported",
        ),
    ),
}
