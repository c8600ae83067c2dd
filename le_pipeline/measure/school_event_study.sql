-- One row per school, subject and school year: the panel whose cells the event study is made in.
select state, region, subject, school, school_year, first_treated, n, mean_z_score
from linked.school_outcome
