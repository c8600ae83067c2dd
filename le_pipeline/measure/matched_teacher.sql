-- The teachers to be matched, one row per teacher, subject and school year: fellows, mentees, and those without a part.
select
    state, school_year, staff_key, subject, part, region, n_students, prior_effectiveness, lacks_effectiveness,
    experience_years, is_novice, lacks_experience, is_female, is_black, is_other_race, lacks_demographics,
    frpl_share, lacks_frpl, class_prior_z_score, class_disadvantaged_share
from linked.matching_candidate
where part <> 'former'
