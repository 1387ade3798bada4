"""The operations, one module for each kind of resource. To add a module: a line here."""

from rehost.control.api import (
    agents,
    agreements,
    audit,
    commands,
    enrolments,
    identity,
    migprojects,
    service,
    sources,
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
    *agreements.OPERATIONS,
    *audit.OPERATIONS,
    *agents.OPERATIONS,
)
