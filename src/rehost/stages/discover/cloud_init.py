"""Cloud-init, which describes the network of what it takes for a new server."""

from rehost.stages.discover.survey import Survey

CONFIGURATION = "/etc/cloud/cloud.cfg"
SWITCHED_OFF = "/etc/cloud/cloud-init.disabled"


def has_cloud_init(survey: Survey) -> bool:
    """Raises HostError."""
    return survey.exists(CONFIGURATION) and not survey.exists(SWITCHED_OFF)
