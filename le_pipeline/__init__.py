"""The work itself, free of Dagster.

Stages (`ingest`, `link`, `measure`) stand on two foundations (`privacy`, `warehouse`) and meet only in tables: no stage
imports another. `request` asks partners for what is then landed. `home` knows the folders, `errors` the named troubles,
`line` runs the whole line, `cli` is `le`.
"""
