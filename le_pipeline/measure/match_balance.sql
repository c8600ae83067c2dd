-- One row per population, method of matching, and teacher who could be matched, with what they were matched on.
select m.population, m.matching, m.is_treated, m.is_on_support, m.match_weight, m.is_tied, c.*
from linked.matched_teacher as m
join linked.matching_candidate as c
    on c.state = m.state and c.subject = m.subject and c.school_year = m.school_year and c.staff_key = m.staff_key
