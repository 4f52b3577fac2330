"""Which codec at this boundary, what does it buy, or is it better to stay with the baseline?

    import serlab

    decision = serlab.decide("results/20260101-120000", "service-hop", bandwidth_bit_per_s=140e6)
    print(decision.answer)

The way: `scenarios` reads a boundary from TOML, `cost` adds up what each codec costs there, `ranking` orders them and
chooses one, `sensitivity` says when another would be chosen, `decision` and `wording` say it in words.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from serlab.decide.decision import Decision, decide
from serlab.decide.scenarios import Scenario, load_scenario, scenario_names, scenario_text
from serlab.doors import front_door

if TYPE_CHECKING:
    from serlab.decide.cost import COMPRESSORS, VECTORS, Inputs, substitute_of
    from serlab.decide.decision import plain, show_decision, show_overview
    from serlab.decide.ranking import Run, read_run, stand_in
    from serlab.decide.scenarios import duration, money, parse_bandwidth, parse_seconds, parse_setting, percent, times
    from serlab.decide.wording import change, overtaking

__getattr__ = front_door(__name__)

__all__ = [
    "COMPRESSORS",
    "VECTORS",
    "Decision",
    "Inputs",
    "Run",
    "Scenario",
    "change",
    "decide",
    "duration",
    "load_scenario",
    "money",
    "overtaking",
    "parse_bandwidth",
    "parse_seconds",
    "parse_setting",
    "percent",
    "plain",
    "read_run",
    "scenario_names",
    "scenario_text",
    "show_decision",
    "show_overview",
    "stand_in",
    "substitute_of",
    "times",
]


class CallableModule(ModuleType):
    """This package, which can also be called: `serlab.decide` is both, whichever was asked for first."""

    def __call__(self, *arguments: Any, **overrides: Any) -> Decision:
        """Decide, see `serlab.decide.decision.decide`."""
        return decide(*arguments, **overrides)


# Python binds an imported submodule to its name in the parent package, so a function of that name would be overwritten
# as soon as somebody imports `serlab.decide.cost`.
sys.modules[__name__].__class__ = CallableModule
