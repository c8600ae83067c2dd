-- One row per state and school year of which effects are estimated, by design.
select 'achievement' as design, a.state, a.school_year, count(*) as n, count(m.staff_key) as n_matched
from linked.achievement_sample as a
left join linked.matched_teacher as m
    on m.state = a.state and m.subject = a.subject and m.school_year = a.school_year and m.staff_key = a.teacher_key
    and m.population = 'fellow' and m.comparison = 'none' and m.matching = 'nearest'
group by a.state, a.school_year
union all
select 'retention' as design, state, school_year, count(*) as n, count(*) as n_matched
from linked.retention_sample
where retained_in_school is not null
group by state, school_year
union all
select 'school' as design, state, school_year, count(*) as n, count(*) as n_matched
from linked.school_outcome
group by state, school_year
