"""Contracts as data: fields, tables, file layouts, state profiles and reference tables.

Belongs here: what a value means, may hold and how private it is, in YAML and CSV, and the few classes that load and
check them. Does not belong here: reading files, running SQL, anything that knows a path below LE_HOME, Dagster.
"""
