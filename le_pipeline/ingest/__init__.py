"""Stage: from delivered files to canonical tables, with every record accounted for.

Belongs here: recognising files, reading them in batches, filling canonical fields, validating, pseudonymising,
quarantine, replacing a partition. Does not belong here: joining people or computing figures.

    recognition  which layout a file is        reading   bytes to rows of text
    filling      text to canonical fields      contract  the Pandera schema and what breaks it
    delivery     one file, batch by batch      partition one feed of one state and year, whole
"""
