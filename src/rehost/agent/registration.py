"""Registering this machine: what an administrator says once, exchanged for a credential."""

from dataclasses import dataclass, replace

import rehost
from rehost.agent.state import Enrolment, State
from rehost.contract import agent_api
from rehost.contract.client import Client
from rehost.contract.credentials import Credentials
from rehost.contract.trust import Trust, pinned
from rehost.errors import BadAnswer
from rehost.model.server import Identity
from rehost.stages.discover import discover
from rehost.system.host import Host

HANDSHAKE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    service: str
    credentials: Credentials
    trust: Trust
    name: str | None = None
    disks: tuple[str, ...] = ()


def register(host: Host, state: State, registration: Registration) -> Enrolment:
    """Register this machine, or update it, and keep the credential for its source.

    The service gives the machine that it knows already the same id again.
    """
    # First: a one-time code must not be spent on a credential that cannot be kept.
    state.prepare()
    trust = registration.trust
    if trust.pin:
        trust = pinned(registration.service, trust, timeout_s=HANDSHAKE_S)
    report = discover(host, agent_version=rehost.__version__, images=registration.disks)
    if registration.name:
        report = replace(report, name=registration.name)
    with Client(registration.service, registration.credentials, trust) as client:
        registered = agent_api.register(client, report)
    if registered.agent_token is None:
        raise BadAnswer("the service gave no credential for this machine; is it a Rehost?")
    enrolment = Enrolment(
        service=registration.service,
        source_id=registered.source_id,
        token=registered.agent_token,
        trust=trust,
        identity=report.facts.identity if report.facts else Identity(),
        name=registration.name,
        disks=registration.disks,
    )
    state.save(enrolment)
    return enrolment
