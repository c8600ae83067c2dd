"""Everything Dagster, and nothing else.

Belongs here: assets, checks, partitions, jobs, schedule, sensor, resources and how a report of the library becomes
metadata. Does not belong here: reading, joining, measuring; an asset asks the library and reports.
"""
