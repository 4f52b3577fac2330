"""The headers of a request."""

from serlab.service.deadlines import DEADLINE_HEADER
from serlab.service.transport import Payload


def headers_of(payload: Payload) -> dict[str, str]:
    """Write a request's headers, with what is left of its deadline."""
    found = {"content-type": payload.content_type, "accept": payload.accept, **payload.headers}
    if payload.deadline is not None:
        found[DEADLINE_HEADER] = payload.deadline.header()
    return found
