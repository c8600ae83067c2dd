"""Foundation: the lake's Parquet tables, the engine that runs a step's SQL over them, the warehouse built from them.

Belongs here: paths of tables, atomic replacement, binding names in SQL to files, DDL. Does not belong here: what any
table means, or any stage.
"""
