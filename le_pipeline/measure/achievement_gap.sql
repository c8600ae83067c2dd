-- One row per state, region, role, school year, subject, grade band and pair of groups, with what the figures need:
-- counts, sums, and how often a student of group_a is ahead of one of group_b.
-- Students with one score are counted together first, so that the work does not grow with the number of students.
-- Scores are summed as decimals, which add up alike in whatever order an engine takes them.
with student as (
    select
        s.state, e.region, e.exposure as role, s.school_year, s.subject,
        coalesce(g.grade_band, 'other') as grade_band,
        s.assessment, s.grade, s.z_score, s.scale_score, s.level_order, s.proficient, s.sex, s.race_ethnicity,
        s.economically_disadvantaged, s.english_learner, s.disability
    from linked.standard_score as s
    join linked.student_exposure as e
        on e.student_key = s.student_key and e.subject = s.subject and e.school_year = s.school_year
    left join reference.grade_band as g on g.grade = s.grade
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
        subgroup, group_a, group_b, z_score,
        sum(n_a) as n_a, sum(n_b) as n_b,
        sum(cast(n_a * scale_score as decimal(28, 9))) as scale_sum_a,
        sum(cast(n_b * scale_score as decimal(28, 9))) as scale_sum_b,
        min(assessment || ' ' || grade) as first_test, max(assessment || ' ' || grade) as last_test
    from paired
    group by school_year, subject, subgroup, group_a, group_b, z_score, cube (state, region, role, grade_band)
),
score_rank as (  -- the students of group_b up to each score; who has no region or grade is in all of them only
    select
        *, sum(n_b) over (
            partition by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b
            order by z_score rows between unbounded preceding and current row) as b_up_to
    from at_score
    where region is not null and grade_band <> 'other'
),
by_score as (
    select
        state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b,
        sum(n_a) as n_a, sum(n_b) as n_b,
        cast(sum(cast(n_a * z_score as decimal(28, 12))) as double) as z_sum_a,
        cast(sum(cast(n_b * z_score as decimal(28, 12))) as double) as z_sum_b,
        cast(sum(cast(n_a * z_score * z_score as decimal(28, 12))) as double) as z_squares_a,
        cast(sum(cast(n_b * z_score * z_score as decimal(28, 12))) as double) as z_squares_b,
        sum(n_a * (b_up_to - n_b / 2)) / nullif(sum(n_a) * sum(n_b), 0) as ahead_share,
        case when min(first_test) = max(last_test) then
            cast(sum(scale_sum_a) as double) / nullif(sum(n_a), 0)
            - cast(sum(scale_sum_b) as double) / nullif(sum(n_b), 0)
        end as scale_score_difference
    from score_rank
    group by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b
    having sum(n_a) > 0 and sum(n_b) > 0
),
at_level as (
    select
        case when grouping(state) = 1 then 'all' else state end as state,
        case when grouping(region) = 1 then 'all' else region end as region,
        case when grouping(role) = 1 then 'all' else role end as role,
        school_year, subject,
        case when grouping(grade_band) = 1 then 'all' else grade_band end as grade_band,
        subgroup, group_a, group_b, level_order,
        sum(n_a) as n_a, sum(n_b) as n_b,
        coalesce(sum(n_a) filter (proficient is not null), 0) as judged_a,
        coalesce(sum(n_b) filter (proficient is not null), 0) as judged_b,
        coalesce(sum(n_a) filter (proficient = 'yes'), 0) as proficient_a,
        coalesce(sum(n_b) filter (proficient = 'yes'), 0) as proficient_b,
        min(assessment) as first_assessment, max(assessment) as last_assessment
    from paired
    group by school_year, subject, subgroup, group_a, group_b, level_order, cube (state, region, role, grade_band)
),
level_rank as (  -- scores without a level stand behind the levels, and are left out of what is made of them
    select
        *, sum(n_b) over (
            partition by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b
            order by coalesce(level_order, 999) rows between unbounded preceding and current row) as b_up_to
    from at_level
),
by_level as (  -- levels of different assessments cannot be compared, nor their proficiency
    select
        state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b,
        sum(n_a * (b_up_to - n_b / 2)) filter (level_order is not null)
            / nullif(sum(n_a) filter (level_order is not null) * sum(n_b) filter (level_order is not null), 0)
            as ahead_share_by_level,
        sum(judged_a) as judged_a, sum(judged_b) as judged_b,
        sum(proficient_a) as proficient_a, sum(proficient_b) as proficient_b
    from level_rank
    group by state, region, role, school_year, subject, grade_band, subgroup, group_a, group_b
    having min(first_assessment) = max(last_assessment)
)
select
    s.state, s.region, s.role, s.school_year, s.subject, s.grade_band, s.subgroup, s.group_a, s.group_b,
    s.n_a, s.n_b, s.z_sum_a, s.z_sum_b, s.z_squares_a, s.z_squares_b, s.ahead_share, s.scale_score_difference,
    l.ahead_share_by_level, l.proficient_a, l.proficient_b, l.judged_a, l.judged_b
from by_score as s
left join by_level as l
    on l.state = s.state and l.region = s.region and l.role = s.role and l.school_year = s.school_year
    and l.subject = s.subject and l.grade_band = s.grade_band and l.subgroup = s.subgroup
    and l.group_a = s.group_a and l.group_b = s.group_b
