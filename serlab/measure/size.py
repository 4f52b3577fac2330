"""Bytes per message: raw, gzip and zstd, each message by itself."""

import gzip
from collections.abc import Iterator
from typing import Any

import zstandard

from serlab.codecs import codec_info
from serlab.measure.jobs import Job, all_messages, open_codecs
from serlab.measure.parity import OUTCOMES, check
from serlab.results import Row

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
"""The libraries' own defaults, which servers use too."""

METRICS = ("raw", "gzip", "zstd")


def sizes(data: bytes) -> dict[str, int]:
    """Measure one encoded message.

    Args:
        data: one message.

    Returns:
        Bytes by metric.
    """
    zipped = gzip.compress(data, GZIP_LEVEL, mtime=0)
    return {"raw": len(data), "gzip": len(zipped), "zstd": len(zstandard.compress(data, ZSTD_LEVEL))}


def body_sizes(job: Job) -> Iterator[dict[str, Any]]:
    """Take every body through every codec.

    Yields:
        Per body and codec: line, codec, outcome, reason, and the bytes by metric where the outcome is equal.
    """
    codecs = open_codecs(job)
    for line, document, message in all_messages(job):
        for name in job.codecs:
            if name not in codecs:
                yield {"line": line, "codec": name, "outcome": "no_schema", "reason": ""}
                continue
            parity = check(codecs[name], document, message)
            entry = {"line": line, "codec": name, "outcome": parity.outcome, "reason": parity.reason}
            yield entry | (sizes(parity.data) if parity.outcome == "equal" else {})


def measure(job: Job) -> dict[str, Any]:
    """Measure parity and size of a workload; a codec that fails on one body gets no size."""
    counts = {name: dict.fromkeys(OUTCOMES, 0) for name in job.codecs}
    totals = {name: dict.fromkeys(METRICS, 0) for name in job.codecs}
    findings = []
    for entry in body_sizes(job):
        counts[entry["codec"]][entry["outcome"]] += 1
        for metric in METRICS:
            totals[entry["codec"]][metric] += entry.get(metric, 0)
        if entry["reason"]:
            findings.append({**entry, "workload": job.workload, "message": job.kind, "file": job.path})
    rows = [row for name in job.codecs for row in rows_of(job, name, counts[name], totals[name])]
    return {"rows": rows, "findings": first_of_each(findings), "pyperf": []}


def rows_of(job: Job, name: str, counts: dict[str, int], totals: dict[str, int]) -> list[Row]:
    """Make one codec's rows."""
    head = (job.run, name, codec_info(name).version, job.workload, job.kind)
    rows = [Row(*head, "parity", outcome, "bodies", 0, count) for outcome, count in counts.items()]
    bodies = sum(counts.values())
    if bodies and counts["equal"] == bodies:
        rows += [Row(*head, "size", metric, "bytes", 0, totals[metric] / bodies) for metric in METRICS]
    return rows


def first_of_each(findings: list[dict[str, Any]], most: int = 3) -> list[dict[str, Any]]:
    """Keep the first few findings of each codec and outcome."""
    seen: dict[tuple[str, str], int] = {}
    kept = []
    for finding in findings:
        key = (finding["codec"], finding["outcome"])
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= most:
            kept.append(finding)
    return kept
