-- One row per teacher, subject and school year with students who have a prior score: what teachers are matched on.
-- Numbers are 0 where they are not known, with a flag beside that says so.
with taught as (  -- means are made of decimals, which add up alike in whatever order an engine takes them
    select
        state, school_year, teacher_key as staff_key, subject, min(region) as region, count(*) as n_students,
        cast(sum(cast(prior_z_score as decimal(28, 12))) as double) / count(*) as class_prior_z_score,
        sum(is_disadvantaged) / count(*) as class_disadvantaged_share
    from linked.achievement_sample
    where is_main_teacher and prior_z_score is not null
    group by state, school_year, teacher_key, subject
),
candidate as (
    select
        t.*, y.experience_years, y.sex, y.race_ethnicity, y.frpl_share, y.school_id,
        coalesce(r.part, 'none') as part,
        case  -- effectiveness counts from the years before the first part began, of everybody else from those before this one
            when r.role in ('fellow', 'mentee')
                then least(coalesce(r.fellow_since, t.school_year), coalesce(r.mentee_since, t.school_year))
            else t.school_year
        end as begins
    from taught as t
    left join linked.program_role as r on r.staff_key = t.staff_key and r.school_year = t.school_year
    left join linked.staff_year as y on y.staff_key = t.staff_key and y.school_year = t.school_year
),
before as (  -- the latest of the three years before
    select c.staff_key, c.subject, c.school_year, e.value_added
    from candidate as c
    join linked.teacher_effectiveness as e
        on e.staff_key = c.staff_key and e.subject = c.subject and e.value_added is not null
        and e.school_year < c.begins and e.school_year >= c.begins - 3
    qualify row_number() over (
        partition by c.staff_key, c.subject, c.school_year order by e.school_year desc, e.n_students desc, e.state
    ) = 1
)
select
    c.state, c.school_year, c.staff_key, c.subject, c.part, c.region, c.n_students,
    coalesce(b.value_added, 0) as prior_effectiveness,
    case when b.staff_key is null then 1 else 0 end as lacks_effectiveness,
    coalesce(c.experience_years, 0) as experience_years,
    case when c.experience_years <= 2 then 1 else 0 end as is_novice,
    case when c.experience_years is null then 1 else 0 end as lacks_experience,
    case when c.sex = 'female' then 1 else 0 end as is_female,
    case when c.race_ethnicity = 'black_or_african_american' then 1 else 0 end as is_black,
    case when c.race_ethnicity <> 'black_or_african_american' and c.race_ethnicity <> 'white' then 1 else 0 end
        as is_other_race,
    case when c.sex is null or c.race_ethnicity is null then 1 else 0 end as lacks_demographics,
    coalesce(c.frpl_share, 0) as frpl_share, case when c.frpl_share is null then 1 else 0 end as lacks_frpl,
    c.class_prior_z_score, c.class_disadvantaged_share
from candidate as c
left join before as b on b.staff_key = c.staff_key and b.subject = c.subject and b.school_year = c.school_year
