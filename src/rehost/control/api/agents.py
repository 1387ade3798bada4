"""The agent's program, for sources to fetch from the service that they will report to."""

from rehost.control.operation import Access, Context, Reply, operation


@operation("GET", "/agent/rehost-agent.pyz", returns=bytes, access=Access.ANYONE, inline=True)
def download_agent(ctx: Context) -> Reply:
    """Download the agent: one file that Python runs."""
    return Reply(
        body=ctx.services.agent_bundle.data,
        headers=(("Content-Type", "application/octet-stream"),),
    )


OPERATIONS = (download_agent,)
