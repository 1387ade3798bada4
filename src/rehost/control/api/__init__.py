"""The operations, one module for each kind of resource. To add a module: a line here."""

from rehost.control.api import (
    agents,
    agreements,
    audit,
    commands,
    consistency,
    enrolments,
    identity,
    migprojects,
    points,
    service,
    sources,
    task_logs,
    task_reports,
    task_settings,
    tasks,
    templates,
)

OPERATIONS = (
    *service.OPERATIONS,
    *identity.OPERATIONS,
    *enrolments.OPERATIONS,
    *sources.OPERATIONS,
    *migprojects.OPERATIONS,
    *templates.OPERATIONS,
    *commands.OPERATIONS,
    *tasks.OPERATIONS,
    *task_settings.OPERATIONS,
    *task_reports.OPERATIONS,
    *points.OPERATIONS,
    *task_logs.OPERATIONS,
    *consistency.OPERATIONS,
    *agreements.OPERATIONS,
    *audit.OPERATIONS,
    *agents.OPERATIONS,
)
