"""Make what was copied start on its new hardware, on a layer over the copy.

`plan` decides from the source's report; `check` says whether this host can do it; `convert` does it
to the layer's images.
"""

from rehost.stages.convert.plan import Options, Plan, cards, plan
from rehost.stages.convert.run import check, convert

__all__ = ["Options", "Plan", "cards", "check", "convert", "plan"]
