"""Stage: from canonical tables to who taught whom, and who has which part in the programme.

Belongs here: links with weights, each person's primary assignment, entries of programme lists tied to staff. One SQL
file per table; `steps` names them in order. Does not belong here: scores, outcomes, figures.
"""
