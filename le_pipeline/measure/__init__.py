"""Stage: from linked tables to scores on a common scale, outcomes and marts.

Belongs here: standard scores, retention outcomes, the marts, and `statistics`, which holds every formula that SQL has
not. One SQL file per table; it counts and sums, and a `finish` function of the file named for the mart adds intervals.
Does not belong here: who is who, who taught whom, what may be shown outside.
"""
