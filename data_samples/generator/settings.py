"""What is planted: sizes, effects, probabilities and shares, each with its unit.

Everything here is copied into `truth.json`: an estimate can be held against the figure it should recover.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

SCHOOL_YEARS = (2013, 2014, 2015, 2016)
COHORTS = (2014, 2015, 2016)
GRADES = (3, 4, 5, 6, 7, 8)
SUBJECTS = ("ela", "mathematics", "science", "social_studies")
TAUGHT_SUBJECTS = ("ela", "mathematics")
SUBJECT_TITLES = {"ela": "English Language Arts", "mathematics": "Mathematics"}

RACES = {
    "american_indian_or_alaska_native": "American Indian or Alaska Native",
    "asian": "Asian",
    "black_or_african_american": "Black or African American",
    "hispanic_or_latino": "Hispanic or Latino",
    "white": "White",
    "native_hawaiian_or_other_pacific_islander": "Native Hawaiian or Other Pacific Islander",
    "two_or_more_races": "Two or more races",
}

REFERENCE_STUDENTS = 6000
# District codes have three digits: beyond this many times the reference size, districts grow instead.
MOST_DISTRICTS_FACTOR = 28


@dataclass(frozen=True)
class StateProfile:
    """One state: its share of the students, its places at the reference size, and its test's scale.

    The center of the scale is the score of a student in none of the disadvantaged groups; the mean lies below it.
    """

    code: str
    student_share: float
    districts: int
    fewest_districts: int
    schools: int
    regions: tuple[str, ...]
    unserved_district_share: float
    race_shares: tuple[float, ...]
    subjects: tuple[str, ...]
    scale_center: int
    points_per_sd: int
    lowest_score: int
    highest_score: int
    cut_scores: tuple[int, ...]
    levels: tuple[str, ...]
    alternate_share_of_disabled: float


LOUISIANA = StateProfile(
    code="LA",
    student_share=0.84,
    districts=7,
    fewest_districts=3,
    schools=28,
    regions=("New Orleans", "Baton Rouge"),
    unserved_district_share=1 / 7,
    race_shares=(0.01, 0.02, 0.44, 0.10, 0.39, 0.005, 0.035),
    subjects=SUBJECTS,
    scale_center=752,
    points_per_sd=32,
    lowest_score=650,
    highest_score=850,
    cut_scores=(700, 725, 750, 790),
    levels=("Unsatisfactory", "Approaching Basic", "Basic", "Mastery", "Advanced"),
    alternate_share_of_disabled=0.0,
)
MISSOURI = StateProfile(
    code="MO",
    student_share=0.16,
    districts=2,
    fewest_districts=2,
    schools=6,
    regions=("Kansas City",),
    unserved_district_share=0.0,
    race_shares=(0.005, 0.03, 0.36, 0.14, 0.42, 0.005, 0.04),
    subjects=TAUGHT_SUBJECTS,
    scale_center=422,
    points_per_sd=45,
    lowest_score=200,
    highest_score=650,
    cut_scores=(355, 400, 450),
    levels=("Below Basic", "Basic", "Proficient", "Advanced"),
    alternate_share_of_disabled=0.08,
)
STATES = (LOUISIANA, MISSOURI)


@dataclass(frozen=True)
class ScoreModel:
    """Parts of a score in standard deviations; with the shares below they add up to a variance close to 1.

    The gaps are partial: each holds the others fixed, so a raw gap is wider than its entry here.
    """

    general_ability_sd: float = 0.69
    subject_ability_sd: float = 0.35
    school_sd: float = 0.15
    noise_sd: float = 0.50
    teacher_sd: dict[str, float] = field(default_factory=lambda: {"ela": 0.10, "mathematics": 0.15})
    fellow_effect: dict[str, float] = field(default_factory=lambda: {"ela": 0.05, "mathematics": 0.10})
    mentee_effect: dict[str, float] = field(default_factory=lambda: {"ela": 0.04, "mathematics": 0.04})
    grade_shift: dict[int, float] = field(
        default_factory=lambda: {3: 0.06, 4: 0.03, 5: 0.0, 6: -0.03, 7: -0.05, 8: -0.02}
    )
    economically_disadvantaged: float = -0.45
    english_learner: float = -0.40
    disability: float = -0.60
    race_ethnicity: dict[str, float] = field(
        default_factory=lambda: {
            "asian": 0.25,
            "black_or_african_american": -0.35,
            "hispanic_or_latino": -0.20,
            "american_indian_or_alaska_native": -0.20,
        }
    )
    female: dict[str, float] = field(
        default_factory=lambda: {"ela": 0.15, "mathematics": -0.03, "science": 0.0, "social_studies": 0.05}
    )


@dataclass(frozen=True)
class RetentionModel:
    """Yearly probabilities of a teacher's outcome, by the poverty of the school taught in."""

    high_poverty_above: float = 0.75
    lower_poverty: dict[str, float] = field(
        default_factory=lambda: {
            "stayer": 0.80,
            "mover_within_lea": 0.05,
            "mover_out_of_lea": 0.03,
            "promoted_within": 0.02,
            "role_change": 0.02,
            "leaver": 0.08,
        }
    )
    high_poverty: dict[str, float] = field(
        default_factory=lambda: {
            "stayer": 0.70,
            "mover_within_lea": 0.07,
            "mover_out_of_lea": 0.05,
            "promoted_within": 0.02,
            "role_change": 0.03,
            "leaver": 0.13,
        }
    )
    # Holds from the first fellowship year on, and is taken from the other outcomes in proportion.
    fellow_stayer_bonus_in_high_poverty: float = 0.08
    midyear_share_of_leavers: float = 0.25
    leader_stays: float = 0.88


@dataclass(frozen=True)
class ProgrammeModel:
    """Sizes at the reference number of students.

    Selection does not look at a teacher's effect, but it looks at high-poverty schools first.
    """

    fellows: int = 40
    applicants_not_selected: int = 25
    mentees_per_fellow: int = 3
    fellowship_years: int = 2
    withdrawal_share: float = 0.04
    former_mentees_by_cohort: dict[int, int] = field(default_factory=lambda: {2014: 0, 2015: 1, 2016: 2})
    email_only_share: float = 1 / 3
    # People whom lists name without an id, and no other list of the year names them.
    mentees_by_name: int = 3
    administrators_by_name: int = 9


@dataclass(frozen=True)
class RosterModel:
    """Shares of a year's students, or of its teachers, that something happens to."""

    section_size: int = 20
    changes_section: float = 0.02
    changes_school: float = 0.015
    leaves_and_returns: float = 0.01
    enters_late: float = 0.015
    not_rostered: float = 0.01
    not_tested: float = 0.01
    teacher_second_assignment: float = 0.04
    teacher_part_time: float = 0.04
    self_contained_grades: tuple[int, ...] = (3, 4)
    semester_grades: tuple[int, ...] = (7, 8)


@dataclass(frozen=True)
class TestingModel:
    """What is tested, and how often a test is void."""

    tested_grades: dict[str, tuple[int, ...]] = field(
        default_factory=lambda: {
            "ela": GRADES,
            "mathematics": GRADES,
            "science": (5, 8),
            "social_studies": (6, 7, 8),
        }
    )
    void_share: float = 0.01


@dataclass(frozen=True)
class DirtModel:
    """One wrong row in so many, kinds taking turns; a duplicate or a conflict adds a row of its own."""

    assessment_rows_per_fault: int = 220
    staff_rows_per_fault: int = 200


SCORES = ScoreModel()
RETENTION = RetentionModel()
PROGRAMME = ProgrammeModel()
ROSTER = RosterModel()
TESTING = TestingModel()
DIRT = DirtModel()


def first_day(year: int) -> date:
    """First day of the school year that ends in `year`."""
    return date(year - 1, 8, 12)


def last_day(year: int) -> date:
    """Last day of the school year, inclusive."""
    return date(year, 5, 22)


def year_days(year: int) -> int:
    """Calendar days of the school year, both ends included: the denominator of every enrollment share."""
    return (last_day(year) - first_day(year)).days + 1


def fall_days(year: int) -> int:
    """Days of the fall semester, to 31 December; spring is the rest, so that the two partition the year."""
    return (date(year - 1, 12, 31) - first_day(year)).days + 1


def day(year: int, offset: int) -> date:
    """The date `offset` days into the school year."""
    return first_day(year) + timedelta(days=offset)
