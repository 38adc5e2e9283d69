"""What requests to a bucket cost: the one place where prices stand.

S3 Standard in us-east-1, in dollars a request. AWS has them at https://aws.amazon.com/s3/pricing/ ("Requests & data
retrievals"), filled in by a script; on 25 November 2026 they were compared with a page that quotes them,
https://c3x.dev/blog/s3-request-fees-explained. What bytes cost is not counted.
"""

from __future__ import annotations

from collections import Counter

__all__ = ["dollars", "told"]

_DOLLARS = {
    "put": 0.005 / 1000,
    "post": 0.005 / 1000,
    "list": 0.005 / 1000,
    "get": 0.0004 / 1000,
    "head": 0.0004 / 1000,
    "delete": 0.0,
}


def dollars(counts: Counter[str]) -> float:
    """What these requests cost, counted by kind."""
    return sum(number * _DOLLARS[kind] for kind, number in counts.items())


def told(counts: Counter[str]) -> str:
    """In words: ``LIST 13, GET 1: $0.000065``."""
    named = ", ".join(f"{kind.upper()} {counts[kind]:,}" for kind in _DOLLARS if counts[kind])
    return f"{named or 'no request'}: ${dollars(counts):.6f}"
