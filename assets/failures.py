"""Exceptions on their way into Dagster's event log: named, value-free, and retried only where a retry can help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from le_pipeline.errors import BusyError, PipelineError, describe, is_panic

RETRIES, WAIT_SECONDS = 2, 30


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn what the library raises into what Dagster may keep.

    A disk or lock that is busy is tried again; trouble with data is not, since the same file fails the same way.
    """
    try:
        yield
    except (BusyError, OSError) as error:
        raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=WAIT_SECONDS) from PipelineError(describe(error))
    except BaseException as error:  # the text of any other exception may hold somebody's record
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        failure = dg.Failure(description=describe(error), allow_retries=False)
        raise failure from None
