-- One row per student, subject and school year with a score and one of the year before, and the score before that where
-- there is one. Standard scores, so that students who come from different tests or grades can stand in one group.
with scored as (
    select state, school_year, student_key, subject, assessment, grade, z_score
    from linked.standard_score
    where z_score is not null
)
select
    s.state, s.school_year, s.student_key, s.subject, s.assessment, s.grade, s.z_score,
    p.z_score as prior_z_score, q.z_score as earlier_z_score
from scored as s
join scored as p on p.student_key = s.student_key and p.subject = s.subject and p.school_year = s.school_year - 1
left join scored as q on q.student_key = s.student_key and q.subject = s.subject and q.school_year = s.school_year - 2
