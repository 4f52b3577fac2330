"""What does a connection cost: kept, new and resumed, over TCP and TLS, by distance?

A blocking client asks for one token and reads the answer, through a relay that delays each way by half of a round trip
(`serlab.wire.delay`); without a delay, the same relay stands between. What is timed is a call from its beginning to
the answer's last byte, connecting included where a connection is new, closing left out.

    kept      asks on a connection that stands; the baseline, measured twice
    new       connects first; a full handshake over TLS
    resumed   connects with a session that was got from the server directly and used by nobody else, before the clock

`round-trips` is what each took beyond the same arm without delay, in round trips. The arms `formula: ARM` say what
the protocols' standards say: the arm without delay and so many round trips. They were not measured.

Source: RFC 9293, 3.5; RFC 5246, 7.3; RFC 8446, 2 and 2.2.
"""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection

from msgspec import UNSET
from msgspec.structs import replace

from serlab.cases import FORMULA, CallArm, Case, Place, call_place
from serlab.codecs import open_codec
from serlab.measure import Arm, Emit, Job, load_messages
from serlab.wire.content import BASELINE
from serlab.wire.delay import Route, spawned_relays
from serlab.wire.dialling import Dialler, Request
from serlab.wire.experiments.base import WireArm, again, row, timed
from serlab.wire.process import spawned
from serlab.wire.settings import Addresses, Settings
from serlab.wire.timeouts import TlsVersion, tls_context

VERSIONS: dict[str, TlsVersion] = {"tls1.2": "1.2", "tls1.3": "1.3"}
ROUND_TRIPS: dict[str, dict[str, int]] = {
    "tcp": {"kept": 1, "new": 2},
    "tls1.2": {"kept": 1, "new": 4, "resumed": 3},
    "tls1.3": {"kept": 1, "new": 3, "resumed": 3},
}
"""Protocol → arm → round trips to the whole answer: one for the request, one for TCP, the rest for TLS."""

NEAR_MS, FAR_MS = (0, 5, 25), (100,)
"""Round trips, in ms: between zones of a region and across a country; across an ocean, where there is time for it."""

ARM_NS = 100_000_000
"""What an arm may cost at least, for a few batches more of calls that take 5 to 20 ms; where a job allows as much by
itself, there is time for the far one."""


def run(job: Job, emit: Emit) -> None:
    """Time calls on kept, new and resumed connections at several distances.

    Args:
        job: of the worker; its codecs do not matter.
        emit: receives rows.
    """
    request = request_of(job)
    distances = NEAR_MS + (FAR_MS if job.effort.arm_ns >= ARM_NS else ())
    with spawned(Settings(seed=job.seed, tokens=1)) as addresses, ExitStack() as stack:
        contexts = {name: _context_of(addresses, name) for name in ROUND_TRIPS}
        places = [(name, distance) for name in contexts for distance in distances]
        routes = [Route(_target(addresses, name), distance / 1000) for name, distance in places]
        relays = stack.enter_context(spawned_relays(routes))
        arms: list[WireArm] = []
        for (name, distance), relay in zip(places, relays.addresses, strict=True):
            near = Dialler(relay, request, contexts[name])
            direct = Dialler(_target(addresses, name), request, contexts[name])
            stack.callback(near.hang_up)
            kept = near.dial()
            stack.callback(kept.close)
            arms += arms_of(_place_of(name, distance), near, direct, kept)
        effort = job.effort._replace(arm_ns=max(ARM_NS, job.effort.arm_ns))
        figures = timed(replace(job, effort=effort), emit, arms)
    for name, distance in places:
        if distance:
            _counted(job, emit, figures, name, distance)


def request_of(job: Job) -> Request:
    """Encode the workload's first request as JSON, whole and with an answer of one token."""
    message = replace(load_messages(job)[0], max_tokens=1, stream=UNSET, stream_options=UNSET)
    data = open_codec(BASELINE, job.kind).encode(message)
    return Request("/v1/chat/completions", data, {"content-type": "application/json"})


def _context_of(addresses: Addresses, protocol: str) -> ssl.SSLContext | None:
    """Make what a protocol speaks TLS with; None for TCP alone."""
    if protocol not in VERSIONS:
        return None
    context = tls_context(addresses.ca_file, VERSIONS[protocol])
    context.set_alpn_protocols(["http/1.1"])
    return context


def _target(addresses: Addresses, protocol: str) -> str:
    """Return the server's address for a protocol."""
    return addresses.https if protocol in VERSIONS else addresses.http


def _place_of(protocol: str, distance_ms: int) -> Place:
    """Return the place of a protocol and a distance."""
    return call_place("connection", protocol=protocol, rtt_ms=float(distance_ms))


def arms_of(place: Place, near: Dialler, direct: Dialler, kept: HTTPConnection) -> Iterator[WireArm]:
    """Yield the arms of a group.

    Args:
        place: its own.
        near: calls through the relay.
        direct: gets sessions from the server without it.
        kept: a connection of `near` that stands.
    """
    kept_arm, new, resumed = (CallArm(Case(name), place) for name in ("kept", "new", "resumed"))
    standing = Arm(kept_arm, near.ask, [kept], 1)
    yield from (standing, again(standing))
    if near.context is None:
        yield Arm(new, near.call, [None], 1, fresh=near.hang_up)
        return
    # Both get a session, so that client and server have just been at work for the one as for the other.
    prepare = partial(_fresh_session, near, direct)
    yield Arm(new, lambda _: near.call(), [None], 1, fresh=prepare)
    yield Arm(resumed, near.call, [None], 1, fresh=prepare)


def _fresh_session(near: Dialler, direct: Dialler, _: None) -> ssl.SSLSession:
    """Close what the last batch has left, and get a session from the server without its distance."""
    near.hang_up()
    return direct.session()


def _counted(job: Job, emit: Emit, figures: Mapping[CallArm, float], protocol: str, distance_ms: int) -> None:
    """Send the round trips of a group's arms, measured, and what the standards say beside them."""
    here, at_hand = _place_of(protocol, distance_ms), _place_of(protocol, 0)
    round_trip_ns = distance_ms * 1e6
    for arm, trips in ROUND_TRIPS[protocol].items():
        own, formula = CallArm(Case(arm), here), CallArm(Case(arm, FORMULA), here)
        floor = figures[own._replace(place=at_hand)]
        for name in (own, own.second):
            if name in figures:
                emit(row(job, name, "round-trips", "1", (figures[name] - floor) / round_trip_ns))
        emit(row(job, formula, "latency", "ns", floor + trips * round_trip_ns))
        emit(row(job, formula, "round-trips", "1", trips))
