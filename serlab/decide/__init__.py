"""Which codec at this boundary, what does it buy, or is it better to stay with the baseline?

    import serlab

    decision = serlab.decide("results/20260101-120000", "service-hop", bandwidth_bit_per_s=140e6)
    print(decision.answer)

The way: `scenarios` reads a boundary from TOML, `model` adds up what each codec costs there, `ranking` orders them and
chooses one, `breakeven` and `sensitivity` say when another would be chosen, `answer`, `show` and `adr` say it in words.
"""

import sys
from types import ModuleType
from typing import Any

from serlab.decide.decision import Decision, decide
from serlab.decide.scenarios import Scenario, load_scenario, scenario_names, scenario_text

__all__ = ["Decision", "Scenario", "decide", "load_scenario", "scenario_names", "scenario_text"]


class CallableModule(ModuleType):
    """This package, which can also be called: `serlab.decide` is both, whichever was asked for first."""

    def __call__(self, *arguments: Any, **overrides: Any) -> Decision:
        """Decide, see `serlab.decide.decision.decide`."""
        return decide(*arguments, **overrides)


# Python binds an imported submodule to its name in the parent package, so a function of that name would be overwritten
# as soon as somebody imports `serlab.decide.cost`.
sys.modules[__name__].__class__ = CallableModule
