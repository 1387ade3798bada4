"""The operations, one module for each kind of resource. To add a module: a line here."""

from rehost.control.api import commands, service, sources

OPERATIONS = (
    *service.OPERATIONS,
    *sources.OPERATIONS,
    *commands.OPERATIONS,
)
