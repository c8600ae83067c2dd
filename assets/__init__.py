"""Everything Dagster, and nothing else.

Belongs here: assets, checks, partitions, jobs, schedule, sensor, resources and how a report of the library becomes
metadata. Does not belong here: reading, joining, measuring; an asset asks the library and reports.
"""

import warnings

import dagster as dg

# backfill_policy and freshness_policy are called beta in the pinned version; nobody who runs the line can act on it
warnings.filterwarnings("ignore", category=dg.BetaWarning)
