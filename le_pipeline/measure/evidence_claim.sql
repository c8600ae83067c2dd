-- One row per figure that a claim may rest on, and cell of the mart that holds it. `role` is the population of
-- program_impact, `school_year` its period.
with reached as (  -- everybody whom the programme ever reached, once
    select
        case when grouping(state) = 1 then 'all' else state end as state,
        count(distinct staff_key) filter (role = 'fellow') as n_fellows,
        count(distinct staff_key) filter (role = 'mentee') as n_mentees,
        count(distinct staff_key) as n_teachers_supported
    from linked.program_role
    where is_active and role in ('fellow', 'mentee')
    group by cube (state)
),
students as (
    select
        case when grouping(l.state) = 1 then 'all' else l.state end as state,
        count(distinct l.student_key) as n_students
    from linked.teacher_student_link as l
    join linked.program_role as r on r.staff_key = l.staff_key and r.school_year = l.school_year
    where l.excluded_reason is null and l.weight > 0 and r.is_active and r.role in ('fellow', 'mentee')
    group by cube (l.state)
),
counted as (
    select
        state, region, cast(school_year as varchar) as school_year,
        n_fellows, n_mentees, n_teachers_supported, n_students, n_schools
    from marts.program_reach
    union all
    select
        r.state, 'all' as region, 'all' as school_year,
        r.n_fellows, r.n_mentees, r.n_teachers_supported, coalesce(s.n_students, 0) as n_students,
        cast(null as bigint) as n_schools
    from reached as r
    left join students as s on s.state = r.state
    where r.n_teachers_supported > 0  -- a cube over nothing has one row
),
figure as (
    select 'n_fellows' as figure
    union all select 'n_mentees' as figure
    union all select 'n_teachers_supported' as figure
    union all select 'n_students' as figure
),
reach as (
    select
        'program_reach' as source, f.figure, c.state, c.region, cast(null as varchar) as role,
        cast(null as varchar) as subject, c.school_year, cast(null as varchar) as definition,
        cast(null as varchar) as level, cast(null as varchar) as cohort, cast(null as varchar) as poverty_band,
        cast(null as varchar) as grade_band, cast(null as varchar) as benchmark, cast(null as varchar) as outcome,
        cast(null as varchar) as specification, cast(null as varchar) as is_most_conservative,
        cast(
            case f.figure
                when 'n_fellows' then c.n_fellows
                when 'n_mentees' then c.n_mentees
                when 'n_teachers_supported' then c.n_teachers_supported
                else c.n_students
            end as double
        ) as estimate,
        cast(null as double) as standard_error, cast(null as double) as ci_low, cast(null as double) as ci_high,
        cast(null as double) as degrees_of_freedom, cast(null as double) as p_value,
        case f.figure
            when 'n_fellows' then c.n_fellows
            when 'n_mentees' then c.n_mentees
            when 'n_teachers_supported' then c.n_teachers_supported
            else c.n_students
        end as n,
        c.n_schools as n_sites, cast(null as bigint) as n_people,
        cast(null as double) as comparison, cast(null as double) as effect_size,
        cast(null as varchar) as baseline_equivalence, cast(null as varchar) as covariates,
        cast(null as varchar) as plan_status
    from counted as c
    cross join figure as f
),
retention as (
    select
        'teacher_retention' as source, 'risk_difference_percentage_points' as figure, state, region, role,
        cast(null as varchar) as subject, cast(school_year as varchar) as school_year, definition, level, cohort,
        poverty_band, cast(null as varchar) as grade_band, cast(null as varchar) as benchmark,
        cast(null as varchar) as outcome, cast(null as varchar) as specification,
        cast(null as varchar) as is_most_conservative,
        risk_difference_percentage_points as estimate, risk_difference_standard_error as standard_error,
        risk_difference_ci_low as ci_low, risk_difference_ci_high as ci_high,
        cast(n_clusters - 1 as double) as degrees_of_freedom, cast(null as double) as p_value,
        n + coalesce(comparison_n, 0) as n, n_schools as n_sites, cast(null as bigint) as n_people,
        100 * comparison_share as comparison,
        cox_index as effect_size, cast(null as varchar) as baseline_equivalence, cast(null as varchar) as covariates,
        cast(null as varchar) as plan_status
    from marts.teacher_retention
),
growth as (  -- the comparison's own row has the error of its gain
    select
        'student_growth' as source, 'percentile_rank_gain_difference' as figure, g.state, g.region, g.role, g.subject,
        cast(g.school_year as varchar) as school_year, cast(null as varchar) as definition,
        cast(null as varchar) as level, cast(null as varchar) as cohort, cast(null as varchar) as poverty_band,
        cast(null as varchar) as grade_band, cast(null as varchar) as benchmark, cast(null as varchar) as outcome,
        cast(null as varchar) as specification, cast(null as varchar) as is_most_conservative,
        g.percentile_rank_gain - g.comparison_percentile_rank_gain as estimate,
        sqrt(
            g.percentile_rank_gain_standard_error * g.percentile_rank_gain_standard_error
            + c.percentile_rank_gain_standard_error * c.percentile_rank_gain_standard_error
        ) as standard_error,
        cast(null as double) as ci_low, cast(null as double) as ci_high,
        cast(least(g.n_teachers, c.n_teachers) - 1 as double) as degrees_of_freedom, cast(null as double) as p_value,
        g.n + coalesce(g.comparison_n, 0) as n, cast(null as bigint) as n_sites,
        cast(null as bigint) as n_people,
        g.comparison_percentile_rank_gain as comparison, cast(null as double) as effect_size,
        cast(null as varchar) as baseline_equivalence, cast(null as varchar) as covariates,
        cast(null as varchar) as plan_status
    from marts.student_growth as g
    left join marts.student_growth as c
        on c.state = g.state and c.region = g.region and c.subject = g.subject and c.school_year = g.school_year
        and c.role = 'none'
),
closure as (
    select
        'benchmark_gap' as source, 'closed_share' as figure, state, region, role, subject,
        cast(school_year as varchar) as school_year, cast(null as varchar) as definition,
        cast(null as varchar) as level, cast(null as varchar) as cohort, cast(null as varchar) as poverty_band,
        grade_band, benchmark, cast(null as varchar) as outcome, cast(null as varchar) as specification,
        cast(null as varchar) as is_most_conservative,
        closed_share as estimate, standard_error, ci_low, ci_high, cast(null as double) as degrees_of_freedom,
        cast(null as double) as p_value, n, cast(null as bigint) as n_sites,
        cast(null as bigint) as n_people, comparison_closed_share as comparison,
        cast(null as double) as effect_size, cast(null as varchar) as baseline_equivalence,
        cast(null as varchar) as covariates,
        cast(null as varchar) as plan_status
    from marts.benchmark_gap
),
impact as (  -- with few clusters an effect is significant where both tests say so
    select
        'program_impact' as source, estimate_unit as figure, state, region, population as role, subject,
        period as school_year, cast(null as varchar) as definition, cast(null as varchar) as level,
        cast(null as varchar) as cohort, cast(null as varchar) as poverty_band, cast(null as varchar) as grade_band,
        cast(null as varchar) as benchmark, outcome, specification,
        case when is_most_conservative then 'true' else 'false' end as is_most_conservative,
        estimate, standard_error, ci_low, ci_high, degrees_of_freedom,
        case when wild_bootstrap_p_value > p_value then wild_bootstrap_p_value else p_value end as p_value,
        n, n_treated_schools as n_sites,
        coalesce(n_students, n_teachers, n) as n_people, comparison_mean as comparison, effect_size, baseline_equivalence, covariates,
        plan_status
    from marts.program_impact
    where coalesce(error_kind, '') <> 'CR1_delta'  -- these errors have no correction for few clusters
),
gathered as (
    select * from reach
    union all
    select * from retention
    union all
    select * from growth
    union all
    select * from closure
    union all
    select * from impact
)
select
    source, figure, state, region, role, subject, school_year, definition, level, cohort, poverty_band, grade_band,
    benchmark, outcome, specification, is_most_conservative, estimate, standard_error, ci_low, ci_high,
    degrees_of_freedom, p_value, n, n_sites, n_people, comparison, effect_size, baseline_equivalence, covariates, plan_status
from gathered
