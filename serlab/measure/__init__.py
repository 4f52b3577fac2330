"""Parity, size, time and memory, each in fresh worker processes."""

from typing import TYPE_CHECKING

from serlab.doors import front_door

if TYPE_CHECKING:
    from serlab.measure.inputs import bind, load_messages, warm_up
    from serlab.measure.interleave import WARM_UP_BATCHES, Arm, calibrate, interleaved, settle_gc
    from serlab.measure.job import Emit, Figure, Finding, Job, Record, read_job, written
    from serlab.measure.options import EFFORTS, LOAD_OPERATIONS, LOAD_PARTS, OPERATIONS, PARTS, Options
    from serlab.measure.parity import OUTCOMES, Outcome, Report, bodies_of, json_size, known_outcome, recorded, weigh
    from serlab.measure.plan import Cell, Plan, check_names, chosen_codecs, make_plan
    from serlab.measure.process import Heartbeat, PassingError, open_heartbeat
    from serlab.measure.run import measure, refuse_folder
    from serlab.measure.ticker import fine_loop, ticked
    from serlab.measure.wire import EXPERIMENTS, METRICS, WIRE, taken

__getattr__ = front_door(__name__)

__all__ = [
    "EFFORTS",
    "EXPERIMENTS",
    "LOAD_OPERATIONS",
    "LOAD_PARTS",
    "METRICS",
    "OPERATIONS",
    "OUTCOMES",
    "PARTS",
    "WARM_UP_BATCHES",
    "WIRE",
    "Arm",
    "Cell",
    "Emit",
    "Figure",
    "Finding",
    "Heartbeat",
    "Job",
    "Options",
    "Outcome",
    "PassingError",
    "Plan",
    "Record",
    "Report",
    "bind",
    "bodies_of",
    "calibrate",
    "check_names",
    "chosen_codecs",
    "fine_loop",
    "interleaved",
    "json_size",
    "known_outcome",
    "load_messages",
    "make_plan",
    "measure",
    "open_heartbeat",
    "read_job",
    "recorded",
    "refuse_folder",
    "settle_gc",
    "taken",
    "ticked",
    "warm_up",
    "weigh",
    "written",
]
