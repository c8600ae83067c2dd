-- One row per standard score and teacher who answers for it: the outcome, who taught, and what has to be held equal.
-- Characteristics are numbers, 0 where they are not known, with a flag beside that says so.
-- Means are made of decimals, which add up alike in whatever order an engine takes them.
with mobile as (  -- in several schools in the year
    select coalesce(p.person_key, e.student_key) as student_key, e.school_year
    from canonical.student_school_association as e
    left join linked.person_alias as p on p.alias_key = e.student_key
    where e.school_id is not null
    group by coalesce(p.person_key, e.student_key), e.school_year
    having count(distinct e.school_id) > 1
),
teacher as (  -- where each link counts by itself, it weighs the time spent together
    select
        t.state, t.school_year, t.student_key, t.subject, t.staff_key, t.weight,
        least(coalesce(t.enrollment_share, t.weight), 1) as dosage, y.experience_years,
        coalesce(r.part, 'none') as part
    from linked.score_teacher as t
    left join linked.program_role as r on r.staff_key = t.staff_key and r.school_year = t.school_year
    left join linked.staff_year as y on y.staff_key = t.staff_key and y.school_year = t.school_year
),
taught as (  -- shares of the responsibility, over all teachers of the student in the subject
    select
        student_key, subject, school_year,
        cast(sum(cast(weight as decimal(18, 12))) as double) as linked_share,
        cast(sum(cast(case when part = 'fellow' then weight else 0 end as decimal(18, 12))) as double) as fellow_share,
        cast(sum(cast(case when part = 'mentee' then weight else 0 end as decimal(18, 12))) as double) as mentee_share,
        cast(sum(cast(case when part = 'former' then weight else 0 end as decimal(18, 12))) as double) as former_share,
        cast(sum(cast(case when part = 'applicant' then weight else 0 end as decimal(18, 12))) as double)
            as applicant_share,
        cast(sum(cast(weight * experience_years as decimal(24, 12))) as double)
            / nullif(cast(sum(cast(case when experience_years is not null then weight end as decimal(18, 12))) as double), 0)
            as experience_years
    from teacher
    group by student_key, subject, school_year
),
described as (
    select
        s.state, s.school_year, s.student_key, s.subject, s.grade,
        s.state || ' ' || s.assessment || ' ' || s.grade || ' ' || cast(s.school_year as varchar) as grade_year,
        s.state || ' ' || coalesce(s.school_id, '') as school, e.teacher_key, e.region,
        s.z_score, s.prior_z_score, s.prior_other_subject,
        coalesce(s.prior_other_z_score, 0) as prior_other_z_score,
        case when s.prior_other_z_score is null then 1 else 0 end as lacks_prior_other,
        case when s.sex = 'female' then 1 else 0 end as is_female,
        case when s.race_ethnicity = 'black_or_african_american' then 1 else 0 end as is_black,
        case when s.race_ethnicity = 'hispanic_or_latino' then 1 else 0 end as is_hispanic,
        case when s.race_ethnicity = 'asian' then 1 else 0 end as is_asian,
        case when s.race_ethnicity not in ('black_or_african_american', 'hispanic_or_latino', 'asian', 'white')
            then 1 else 0 end as is_other_race,
        case when s.economically_disadvantaged = 'yes' then 1 else 0 end as is_disadvantaged,
        case when s.english_learner = 'yes' then 1 else 0 end as is_english_learner,
        case when s.disability = 'yes' then 1 else 0 end as has_disability,
        case when s.sex is null or s.race_ethnicity is null then 1 else 0 end as lacks_demographics,
        case when s.economically_disadvantaged is null or s.english_learner is null or s.disability is null
            then 1 else 0 end as lacks_status,
        case when m.student_key is null then 0 else 1 end as is_mobile
    from linked.standard_score as s
    join linked.student_exposure as e
        on e.student_key = s.student_key and e.subject = s.subject and e.school_year = s.school_year
    left join mobile as m on m.student_key = s.student_key and m.school_year = s.school_year
    where s.z_score is not null and e.teacher_key is not null
),
class as (  -- the students of a teacher in a subject and grade; means of what is known of them before the year's test
    select
        school_year, subject, teacher_key, grade,
        cast(sum(cast(prior_z_score as decimal(28, 12))) as double) / nullif(count(prior_z_score), 0)
            as class_prior_z_score,
        cast(sum(cast(prior_other_z_score as decimal(28, 12))) as double) / count(*) as class_prior_other_z_score,
        sum(is_disadvantaged) / count(*) as class_disadvantaged_share,
        sum(is_english_learner) / count(*) as class_english_learner_share,
        sum(has_disability) / count(*) as class_disability_share,
        sum(is_black + is_hispanic + is_other_race) / count(*) as class_minority_share
    from described
    group by school_year, subject, teacher_key, grade
),
school_grade as (
    select
        school_year, subject, school, grade,
        cast(sum(cast(prior_z_score as decimal(28, 12))) as double) / nullif(count(prior_z_score), 0)
            as school_grade_prior_z_score,
        cast(sum(cast(prior_other_z_score as decimal(28, 12))) as double) / count(*)
            as school_grade_prior_other_z_score,
        sum(is_disadvantaged) / count(*) as school_grade_disadvantaged_share,
        sum(is_english_learner) / count(*) as school_grade_english_learner_share,
        sum(has_disability) / count(*) as school_grade_disability_share,
        sum(is_black + is_hispanic + is_other_race) / count(*) as school_grade_minority_share
    from described
    group by school_year, subject, school, grade
)
select
    d.state, d.school_year, d.student_key, d.subject, t.staff_key, d.teacher_key, d.grade, d.grade_year, d.school,
    d.region, t.part, t.staff_key = d.teacher_key as is_main_teacher, t.weight, t.dosage, a.linked_share, a.fellow_share,
    a.mentee_share, a.former_share, a.applicant_share, d.z_score, d.prior_z_score,
    power(d.prior_z_score, 2) as prior_z_score_squared, power(d.prior_z_score, 3) as prior_z_score_cubed,
    d.prior_other_z_score, d.lacks_prior_other,
    coalesce(b.fellow_share, 0) as prior_fellow_share, coalesce(b.mentee_share, 0) as prior_mentee_share,
    coalesce(o.fellow_share, 0) as prior_other_fellow_share, coalesce(o.mentee_share, 0) as prior_other_mentee_share,
    d.is_female, d.is_black, d.is_hispanic, d.is_asian, d.is_other_race, d.is_disadvantaged, d.is_english_learner,
    d.has_disability, d.lacks_demographics, d.lacks_status, d.is_mobile,
    coalesce(c.class_prior_z_score, 0) as class_prior_z_score, c.class_prior_other_z_score, c.class_disadvantaged_share,
    c.class_english_learner_share, c.class_disability_share, c.class_minority_share,
    coalesce(g.school_grade_prior_z_score, 0) as school_grade_prior_z_score, g.school_grade_prior_other_z_score,
    g.school_grade_disadvantaged_share, g.school_grade_english_learner_share, g.school_grade_disability_share,
    g.school_grade_minority_share,
    coalesce(a.experience_years, 0) as experience_years,
    case when a.experience_years <= 2 then 1 else 0 end as is_novice,
    case when a.experience_years is null then 1 else 0 end as lacks_experience
from described as d
join teacher as t on t.student_key = d.student_key and t.subject = d.subject and t.school_year = d.school_year
join taught as a on a.student_key = d.student_key and a.subject = d.subject and a.school_year = d.school_year
left join taught as b on b.student_key = d.student_key and b.subject = d.subject and b.school_year = d.school_year - 1
left join taught as o
    on o.student_key = d.student_key and o.subject = d.prior_other_subject and o.school_year = d.school_year - 1
join class as c
    on c.school_year = d.school_year and c.subject = d.subject and c.teacher_key = d.teacher_key and c.grade = d.grade
join school_grade as g
    on g.school_year = d.school_year and g.subject = d.subject and g.school = d.school and g.grade = d.grade
