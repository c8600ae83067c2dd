-- One row per state, region, role, school year, subject, grade band and pair of groups, with what the figures need:
-- counts, sums, and how often a student of group_a is ahead of one of group_b.
-- Students with one score are counted together first, so that the work does not grow with the number of students.
with student as (
    select
        s.state, e.region, e.exposure as role, s.school_year, s.subject,
        case
            when s.grade in ('KG', '01', '02') then 'K-2'
            when s.grade in ('03', '04', '05') then '3-5'
            when s.grade in ('06', '07', '08') then '6-8'
            when s.grade in ('09', '10', '11', '12') then '9-12'
            else 'other'
        end as grade_band,
        s.assessment, s.grade, s.z_score, s.scale_score, s.level_order, s.proficient, s.sex, s.race_ethnicity,
        s.economically_disadvantaged, s.english_learner, s.disability
    from linked.standard_score as s
    join linked.student_exposure as e
        on e.student_key = s.student_key and e.subject = s.subject and e.school_year = s.school_year
    where s.z_score is not null
),
alike as (  -- students of the same place, score and characteristics
    select *, count(*) as students
    from student
    group by all
),
characteristic as (
    select *, 'economically_disadvantaged' as subgroup, economically_disadvantaged as member from alike
    union all
    select *, 'english_learner' as subgroup, english_learner as member from alike
    union all
    select *, 'disability' as subgroup, disability as member from alike
    union all
    select *, 'sex' as subgroup, sex as member from alike
    union all
    select *, 'race_ethnicity' as subgroup, race_ethnicity as member from alike
),
paired as (
    select
        c.state, c.region, c.role, c.school_year, c.subject, c.grade_band, c.assessment, c.grade, c.z_score,
        c.scale_score, c.level_order, c.proficient, p.subgroup, p.group_a, p.group_b,
        sum(case when c.member = p.group_a then c.students else 0 end) as n_a,
        sum(case when c.member = p.group_b then c.students else 0 end) as n_b
    from characteristic as c
    join reference.subgroup_pair as p on p.subgroup = c.subgroup and c.member in (p.group_a, p.group_b)
    group by
        c.state, c.region, c.role, c.school_year, c.subject, c.grade_band, c.assessment, c.grade, c.z_score,
        c.scale_score, c.level_order, c.proficient, p.subgroup, p.group_a, p.group_b
),
at_score as (
    select
        case when grouping(state) = 1 then 'all' else state end as state,
        case when grouping(region) = 1 then 'all' else region end as region,
        case when grouping(role) = 1 then 'all' else role end as role,
        school_year, subject,
        case when grouping(grade_band) = 1 then 'all' else grade_band end as grade_band,
        subgroup, group_a, group_b, z_score, level_order,
        sum(n_a) as n_a, sum(n_b) as n_b,
        sum(n_a * scale_score) as scale_sum_a, sum(n_b * scale_score) as scale_sum_b,
        sum(n_a) filter (proficient = 'yes') as proficient_a, sum(n_b) filter (proficient = 'yes') as proficient_b,
        sum(n_a) filter (proficient is not null) as judged_a, sum(n_b) filter (proficient is not null) as judged_b,
        min(assessment || ' ' || grade) as first_test, max(assessment || ' ' || grade) as last_test,
        min(assessment) as first_assessment, max(assessment) as last_assessment
    from paired
    group by
        school_year, subject, subgroup, group_a, group_b, z_score, level_order,
        cube (state, region, role, grade_band)
    having (grouping(region) = 1 or region is not null) and (grouping(grade_band) = 1 or grade_band <> 'other')
),
ranked as (  -- students of group_b behind each score, and behind each level
    select
        *,
        sum(n_b) over (
            partition by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b
            order by z_score range between unbounded preceding and current row) as b_up_to,
        sum(n_b) over (
            partition by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b, z_score
        ) as b_equal,
        sum(n_b) filter (level_order is not null) over (
            partition by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b
            order by level_order range between unbounded preceding and current row) as b_up_to_level,
        sum(n_b) over (
            partition by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b, level_order
        ) as b_equal_level
    from at_score
)
select
    state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b,
    sum(n_a) as n_a, sum(n_b) as n_b,
    sum(n_a * z_score) as z_sum_a, sum(n_b * z_score) as z_sum_b,
    sum(n_a * z_score * z_score) as z_squares_a, sum(n_b * z_score * z_score) as z_squares_b,
    sum(n_a * (b_up_to - b_equal / 2)) / nullif(sum(n_a) * sum(n_b), 0) as ahead_share,
    case when min(first_assessment) = max(last_assessment) then
        sum(n_a * (b_up_to_level - b_equal_level / 2)) filter (level_order is not null)
        / nullif(sum(n_a) filter (level_order is not null) * sum(n_b) filter (level_order is not null), 0)
    end as ahead_share_by_level,
    case when min(first_test) = max(last_test) then
        sum(scale_sum_a) / nullif(sum(n_a), 0) - sum(scale_sum_b) / nullif(sum(n_b), 0)
    end as scale_score_difference,
    case when min(first_assessment) = max(last_assessment) then coalesce(sum(proficient_a), 0) end as proficient_a,
    case when min(first_assessment) = max(last_assessment) then coalesce(sum(proficient_b), 0) end as proficient_b,
    coalesce(sum(judged_a), 0) as judged_a, coalesce(sum(judged_b), 0) as judged_b
from ranked
group by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b
having sum(n_a) > 0 and sum(n_b) > 0
