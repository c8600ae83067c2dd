-- One row per teacher, subject and school year: how many students with a prior score the teacher has the largest share of.
select state, school_year, teacher_key as staff_key, subject, count(*) as n_students
from linked.achievement_sample
where is_main_teacher and prior_z_score is not null
group by state, school_year, teacher_key, subject
