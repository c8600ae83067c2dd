"""Careers: what becomes of every teacher from one year to the next.

Outcomes are drawn from the planted probabilities and then acted out: the next year's jobs show them.
"""

from __future__ import annotations

import numpy as np

from .places import School
from .programme import Programme
from .settings import RETENTION, ROSTER, SCHOOL_YEARS, RetentionModel, year_days
from .workforce import ASSISTANT_PRINCIPAL, COACH, COUNSELOR, PRINCIPAL, TEACHER, Job, Workforce, pick

SEPARATION_REASONS = {"Resignation": 0.5, "Relocation": 0.2, "Retirement": 0.2, "Medical": 0.1}


def simulate(workforce: Workforce, programme: Programme, model: RetentionModel = RETENTION) -> None:
    """Fill every year's jobs, and the programme that lives on them; another `model` plants other probabilities."""
    for year in SCHOOL_YEARS:
        _fill_desks(workforce, year)
        _fill_offices(workforce, year)
        programme.enrol(year, workforce.jobs[year])
        _draw_outcomes(workforce, programme, year, model)
        _add_second_jobs(workforce, year)
        if year != SCHOOL_YEARS[-1]:
            for job in workforce.jobs[year]:
                _carry_over(workforce, job)


def outcome_chances(model: RetentionModel, frpl_share: float, *, is_fellow: bool) -> dict[str, float]:
    """The planted probabilities for a teacher of such a school."""
    if frpl_share <= model.high_poverty_above:
        return model.lower_poverty
    base = model.high_poverty
    if not is_fellow:
        return base
    stayer = base["stayer"] + model.fellow_stayer_bonus_in_high_poverty
    shrink = (1 - stayer) / (1 - base["stayer"])
    return {outcome: stayer if outcome == "stayer" else chance * shrink for outcome, chance in base.items()}


def _fill_desks(workforce: Workforce, year: int) -> None:
    """Give empty desks to teachers who moved in, then to new people; a teacher too many stays without one."""
    by_school: dict[str, list[Job]] = {}
    for job in workforce.jobs[year]:
        if job.position == TEACHER:
            by_school.setdefault(job.school.school_id, []).append(job)
    for district in workforce.districts:
        for school in district.schools:
            teachers = by_school.get(school.school_id, [])
            taken = {job.desk for job in teachers}
            empty = [desk for desk in range(school.desks + 1) if desk not in taken]
            waiting = [job for job in teachers if job.desk is None]
            for job, desk in zip(waiting, empty, strict=False):
                job.desk = desk
            for desk in empty[len(waiting) :]:
                workforce.jobs[year].append(Job(workforce.hire(year), year, school, TEACHER, desk))


def _fill_offices(workforce: Workforce, year: int) -> None:
    """Give every school a principal; the other offices later get people by promotion only."""
    has_principal = {job.school.school_id for job in workforce.jobs[year] if job.position == PRINCIPAL}
    for district in workforce.districts:
        for school in district.schools:
            offices = [] if school.school_id in has_principal else [PRINCIPAL]
            if year == SCHOOL_YEARS[0]:
                shares = ((ASSISTANT_PRINCIPAL, 0.4), (COACH, 0.25), (COUNSELOR, 0.4))
                offices += [office for office, share in shares if workforce.rng.random() < share]
            for office in offices:
                person = workforce.hire(year, experienced=True)
                workforce.jobs[year].append(Job(person, year, school, office))


def _draw_outcomes(workforce: Workforce, programme: Programme, year: int, model: RetentionModel) -> None:
    """Draw every teacher's outcome; some of the leavers go at midyear and are replaced the next day.

    Nobody of the programme goes at midyear, so that every membership covers whole years.
    """
    rng, jobs = workforce.rng, workforce.jobs[year]
    for job in jobs:  # replacements are appended while this runs, and get an outcome like everyone else
        if job.position != TEACHER:
            job.outcome = "stayer" if rng.random() < RETENTION.leader_stays else "leaver"
            continue
        role = programme.role(job.person, year).name
        chances = outcome_chances(model, job.school.frpl_share[year], is_fellow=role == "fellow")
        job.outcome = pick(rng, chances)
        goes_early = job.outcome == "leaver" and rng.random() < RETENTION.midyear_share_of_leavers
        if goes_early and role == "none" and job.has_classes and job.begin is None:
            job.end = int(rng.integers(50, year_days(year) - 100))
            job.separation_reason = pick(rng, SEPARATION_REASONS)
            jobs.append(Job(workforce.hire(year), year, job.school, TEACHER, job.desk, begin=job.end + 1))


def _carry_over(workforce: Workforce, job: Job) -> None:
    """Act the outcome out: the next year's job, if there is one."""
    rng, school, position, desk = workforce.rng, job.school, job.position, None
    if job.outcome == "leaver":
        return
    if job.outcome == "stayer":
        desk = job.desk
    elif job.outcome == "mover_within_lea":
        school = workforce.school_elsewhere(school, same_district=True)
    elif job.outcome == "mover_out_of_lea":
        school = workforce.school_elsewhere(school, same_district=False)
    elif job.outcome == "promoted_within":
        position = COACH if rng.random() < 0.7 else ASSISTANT_PRINCIPAL
        if rng.random() < 0.3:
            school = workforce.school_elsewhere(school, same_district=True)
    elif rng.random() < 0.6:
        position = COUNSELOR
    else:  # a leader, but of another district: a change of role, not a promotion within
        position = COACH
        school = workforce.school_elsewhere(school, same_district=False)
    workforce.jobs[job.year + 1].append(Job(job.person, job.year + 1, school, position, desk))


def _add_second_jobs(workforce: Workforce, year: int) -> None:
    """Split a few teachers over two schools, so that each rule for the primary school decides for someone."""
    rng = workforce.rng
    for job in workforce.jobs[year]:
        if job.position != TEACHER or job.begin is not None or job.end is not None:
            continue
        draw = rng.random()
        if draw < ROSTER.teacher_part_time:
            job.fte = float(np.round(rng.uniform(0.5, 0.9), 1))
        elif draw < ROSTER.teacher_part_time + ROSTER.teacher_second_assignment:
            other = workforce.school_elsewhere(job.school, same_district=True)
            workforce.second_jobs[year].append(_split(job, other, rng))


def _split(job: Job, other: School, rng: np.random.Generator) -> Job:
    """A second job, without classes; the first stays primary by FTE, earlier start or lower school id."""
    second = Job(job.person, job.year, other, TEACHER)
    way = int(rng.integers(3))
    if way == 0 or (way == 1 and other.school_id < job.school.school_id):
        job.fte, second.fte = 0.6, 0.4
    elif way == 1:
        job.fte = second.fte = 0.5
    else:
        job.fte = second.fte = 0.5
        second.begin = int(rng.integers(20, 120))
    return second


def primary_job(jobs: list[Job]) -> Job:
    """Largest FTE, then earliest start, then lowest school id."""
    return min(jobs, key=lambda job: (-job.fte, job.begin or 0, job.school.school_id))
