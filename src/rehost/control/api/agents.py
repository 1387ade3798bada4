"""The agent's programs, for sources to fetch from the service that they will report to."""

from rehost.control.operation import Access, Context, Reply, operation

_BYTES = (("Content-Type", "application/octet-stream"),)


@operation("GET", "/agent/rehost-agent.pyz", returns=bytes, access=Access.ANYONE, inline=True)
def download_agent(ctx: Context) -> Reply:
    """Download the agent as one file that Python 3.11 or newer runs."""
    return Reply(body=ctx.services.agents.zip, headers=_BYTES)


@operation("GET", "/agent/rehost-agent.run", returns=bytes, access=Access.ANYONE, inline=True)
def download_installer(ctx: Context) -> Reply:
    """Download the agent for any source: a shell script with all of the agent's programs in it."""
    return Reply(body=ctx.services.agents.installer, headers=_BYTES)


OPERATIONS = (download_agent, download_installer)
