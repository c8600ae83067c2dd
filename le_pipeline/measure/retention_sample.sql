-- One row per teacher and school year: retained or not by each definition, part in the programme, and what has to be held
-- equal. Here is_retained is defined for marts.teacher_retention and retention_survival, too.
-- Characteristics are numbers, 0 where they are not known, with a flag beside that says so.
with strict as (  -- who starts outside high poverty cannot leave it
    select
        *,
        case when outcome = 'stayer' then 1 when outcome is not null then 0 end as in_school,
        case when outcome in ('stayer', 'mover_within_lea') then 1 when outcome is not null then 0 end as in_lea,
        case
            when outcome in ('stayer', 'mover_within_lea', 'mover_out_of_lea') then 1
            when outcome is not null then 0
        end as in_state,
        case
            when outcome is null or not coalesce(in_high_poverty_school, false) then null
            when outcome in ('promoted_within', 'role_change', 'leaver') then 0
            when next_in_high_poverty_school then 1
            when not next_in_high_poverty_school then 0
        end as in_poverty,
        coalesce(outcome = 'promoted_within', false) as is_promoted,
        school_year - min(school_year) over (partition by staff_key) + 1 as years_observed
    from linked.retention_outcome
)
select
    t.state, t.school_year, t.staff_key, t.state || ' ' || t.school_id as school, t.region,
    coalesce(r.part, 'none') as part,
    t.in_school as retained_in_school, t.in_lea as retained_in_lea, t.in_state as retained_in_state,
    t.in_poverty as retained_in_high_poverty_school,
    case when t.is_promoted then 1 else t.in_school end as retained_in_school_or_promoted,
    case when t.is_promoted then 1 else t.in_lea end as retained_in_lea_or_promoted,
    case when t.is_promoted then 1 else t.in_state end as retained_in_state_or_promoted,
    case when t.is_promoted and t.in_high_poverty_school then 1 else t.in_poverty end
        as retained_in_high_poverty_school_or_promoted,
    t.years_observed,
    coalesce(y.experience_years, 0) as experience_years,
    case when y.experience_years <= 2 then 1 else 0 end as is_novice,
    case when y.experience_years is null then 1 else 0 end as lacks_experience,
    case when y.sex = 'female' then 1 else 0 end as is_female,
    case when y.race_ethnicity = 'black_or_african_american' then 1 else 0 end as is_black,
    case when y.race_ethnicity = 'hispanic_or_latino' then 1 else 0 end as is_hispanic,
    case when y.race_ethnicity not in ('black_or_african_american', 'hispanic_or_latino', 'white') then 1 else 0 end
        as is_other_race,
    case when y.sex is null or y.race_ethnicity is null then 1 else 0 end as lacks_demographics,
    coalesce(t.frpl_share, 0) as frpl_share,
    case when t.in_high_poverty_school then 1 else 0 end as is_high_poverty,
    case when t.frpl_share is null then 1 else 0 end as lacks_frpl
from strict as t
left join linked.program_role as r on r.staff_key = t.staff_key and r.school_year = t.school_year
left join linked.staff_year as y on y.staff_key = t.staff_key and y.school_year = t.school_year
