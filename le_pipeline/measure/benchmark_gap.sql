-- One row per state, region, role, school year, subject, grade band, benchmark and teacher, with sums over the students
-- whose proficiency on one and the same assessment is known in this school year and in the one before: the clusters of
-- the bootstrap.
with measured as (
    select * from linked.standard_score
    where proficient is not null and prior_proficient is not null and prior_assessment = assessment
),
tested as (
    select distinct subject, grade, school_year from measured
),
declared as (  -- a figure of the very grade comes before one of all grades, then one of the very year
    select
        t.subject, t.grade, t.school_year, b.benchmark, b.benchmark_source, b.benchmark_confidence,
        cast(b.benchmark_share as decimal(18, 12)) as benchmark_share
    from tested as t
    join reference.benchmark as b
        on b.subject = t.subject
        and b.grade in ('all', t.grade)
        and b.school_year in ('all', cast(t.school_year as varchar))
    qualify row_number() over (
        partition by t.subject, t.grade, t.school_year, b.benchmark
        order by case when b.grade = 'all' then 1 else 0 end, case when b.school_year = 'all' then 1 else 0 end,
            b.benchmark_share
    ) = 1
),
student as (
    select
        s.state, e.region, e.exposure as role, s.school_year, s.subject,
        coalesce(g.grade_band, 'other') as grade_band,
        b.benchmark, b.benchmark_share, b.benchmark_source, b.benchmark_confidence,
        coalesce(e.teacher_key, 'school ' || s.state || ' ' || coalesce(s.school_id, '')) as cluster,
        case when s.prior_proficient = 'yes' then 1 else 0 end as met_before,
        case when s.proficient = 'yes' then 1 else 0 end as meets
    from measured as s
    join linked.student_exposure as e
        on e.student_key = s.student_key and e.subject = s.subject and e.school_year = s.school_year
    left join reference.grade_band as g on g.grade = s.grade
    join declared as b on b.subject = s.subject and b.grade = s.grade and b.school_year = s.school_year
),
clustered as (
    select
        case when grouping(state) = 1 then 'all' else state end as state,
        case when grouping(region) = 1 then 'all' else region end as region,
        case when grouping(role) = 1 then 'all' else role end as role,
        school_year, subject,
        case when grouping(grade_band) = 1 then 'all' else grade_band end as grade_band,
        benchmark, cluster,
        count(*) as students, sum(met_before) as met_before, sum(meets) as meets,
        cast(sum(benchmark_share) as double) as benchmark_sum,
        min(benchmark_source) as benchmark_source, max(benchmark_confidence) as benchmark_confidence
    from student
    group by school_year, subject, benchmark, cluster, cube (state, region, role, grade_band)
)
select
    state, region, role, school_year, subject, grade_band, benchmark, cluster, students, met_before, meets,
    benchmark_sum, benchmark_source, benchmark_confidence
from clustered
where region is not null and grade_band <> 'other'  -- who has no region or grade is in all of them only
