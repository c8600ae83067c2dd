-- One row per population, comparison, method of matching, and teacher who could be matched, with what they were matched on.
select
    m.population, m.comparison, m.matching, m.is_treated, m.is_on_support, m.match_weight, m.is_tied,
    c.state, c.school_year, c.staff_key, c.subject, c.part, c.region, c.n_students, c.prior_effectiveness,
    c.lacks_effectiveness, c.experience_years, c.is_novice, c.lacks_experience, c.is_female, c.is_black, c.is_other_race,
    c.lacks_demographics, c.frpl_share, c.lacks_frpl, c.class_prior_z_score, c.class_disadvantaged_share
from linked.matched_teacher as m
join linked.matching_candidate as c
    on c.state = m.state and c.subject = m.subject and c.school_year = m.school_year and c.staff_key = m.staff_key
