"""The Missouri Assessment Program sheet: one row per student and subject, most of its columns blank."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from .dirt import Sheet
from .places import District
from .pupils import Pupils
from .scores import Tests, levels
from .settings import RACES, StateProfile
from .truth import ACCEPTED

_COLUMNS = """
CONTENT_AREA YEAR COUNTY_DISTRICT SCHOOL_CODE GRADE_LEVEL DISTRICT_STUDENT_NUMBER STUDENT_NUMBER EXAMINER_NAME
LAST_NAME FIRST_NAME MIDDLE_INITIAL FULL_NAME DATE_OF_BIRTH RACE GENDER BUILDING_LESS_THAN_YEAR
DISTRICT_LESS_THAN_YEAR IEP_STUDENT EL_STUDENT GIFTED_STUDENT MIGRANT_STUDENT TITLEI_STUDENT MAP_DIRECT_CERT
SPECIAL_ED_INSTRUCTION_TIME IEP_DISABILITY_DIAGNOSIS MAP_SCALE_SCORE PERFORMANCE_LEVEL
MAP_SCORE_INVALIDATION HIGH_SCHOOL_VOCATIONAL RESIDENT_COUNTY_DISTRICT RESIDENT_SCHOOL_CODE MAP_ALTERNATE
DISTRICT_NAME SCHOOL_NAME MAPA_PORTFOLIO EL_IN_US_LESS_THAN_YR EL_MONITORING PERFORMANCE_LEVEL_CODE
EL_RECEIVING_SERVICE SECURITY_BREACH VOLUNTARY_TRANSFER_STUDENT MOSIS_STATE_ID MSIP_EXCLUDES
INVALID_PERFORMANCE_LEVEL INVALID_MAP_SCORE EL_MONTHS_IN_USA EL_TITLE_III ACCOMMODATN_TEST_READ_ORALLY
TEACHER_INVALIDATION EOC_ADMINISTRATION_WINDOW EOC_ONLINE_TEST_MC EOC_ONLINE_TEST_PE EOC_TOTAL_RAW_SCORE
EOC_TOTAL_PERCENT_CORRECT EOC_SCORE GRADE_OF_STUDENT TEST_DATE TEST_NAME_MAP STUDENT_GROUP
IEP_DISABILITY_DIAGNOSIS_CODE HOMELESS GLA_EXCLUDE HS_MATH EOC_EXCLUDE Accom_Braille_edition_A012
Accom_Large_Print_edition_A021 Accom_Signing_of_assessment_Listening_items_A052
Accom_Paper_Based_Assessment_A102 Accom_Use_of_Specialized_Calculator_A396
Accom_Use_of_Bilingual_Dictionary_S431 Support_Color_Contrast_S102 Accom_S103_Color_Overlay
Accom_S105_Magnification Accom_Masking_S107 Accom_Read_Aloud_S041 Accom_Read_Aloud_S042
Accom_Read_Aloud_S111 Accom_Scribe_S351 Accom_Separate_Setting_S501 Support_Translated_Test_Directions_S109
EOC_A045_READ_ALOUD_PASSAGES_TRAINED_READER_ELA EOC_A052_SIGNING_OF_ASSESSMENT
EOC_A102_PAPER_BASED_ASSESSMENT EOC_A112_READ_ALOUD_PASSAGES_NATIVE_LANGUAGES_ELA
EOC_A352_SPEECH_TO_TEXT_ONLINE EOC_A391_ABACUS EOC_A395_MULTIPLICATION_TABLE EOC_A396_SPECIALIZED_CALCULATOR
EOC_A441_ALTERNATE_RESPONSE EOC_S042_READ_ALOUD_PASSAGES_ASSIST_TECH_NONELA
EOC_S043_READ_ALOUD_PASSAGES_NONELA EOC_S102_COLOR_CONTRAST EOC_S103_COLOR_OVERLAY EOC_S105_MAGNIFICATION
EOC_S107_MASKING EOC_S109_TRANSLATE_FOR_ELL_STUDENTS EOC_S111_ORAL_READING_IN_NATIVE_LANGUAGE_NONELA
EOC_S351_SCRIBE_WITHOUT_IEP_504_NONELA EOC_S431_BILINGUAL_DICTIONARY EOC_S501_SEPARATE_SETTING
HAS_ACCOMODATIONS Accom_Read_Aloud_ELA_GRADES_6_8_A043 Accom_Read_Aloud_ELA_GRADES_3_5_A040
Accom_Speech_To_Text_AssistTech_A352 MATH_HS_PARTICIPANT MILITARY FOSTERCARE EL_LANGUAGE
Accommodation_Closed_Captioning_A053 NEGLECTED_INDICATOR DELINQUENT_INDICATOR CALCULATED_INDEX_PT_VALUE
EL_IN_US_LESS_THAN_3_YRS
"""
MAP_COLUMNS = _COLUMNS.split()
_CONTENT_AREAS = ("Eng. Language Arts", "Mathematics".ljust(18))
_NAME_WIDTH = 22
_RACE_CODES = {
    "asian": "1",
    "native_hawaiian_or_other_pacific_islander": "2",
    "black_or_african_american": "3",
    "hispanic_or_latino": "4",
    "white": "5",
    "american_indian_or_alaska_native": "6",
    "two_or_more_races": "7",
}
BLANK = " "


def map_sheet(profile: StateProfile, district: District, pupils: Pupils, tests: Tests) -> Sheet:
    """A district's rows of a year: each student's English language arts, then mathematics."""
    subjects = len(profile.subjects)
    people = pupils.people[np.repeat(tests.rows, subjects)]
    school = np.repeat(tests.school, subjects)
    score, is_void, is_alternate = tests.score.ravel(), tests.is_void.ravel(), tests.is_alternate.ravel()
    level = levels(profile, score)
    cells = {
        "CONTENT_AREA": np.tile(_CONTENT_AREAS, len(tests.rows)),
        "YEAR": np.full(len(people), str(tests.year)),
        "COUNTY_DISTRICT": np.full(len(people), district.code),
        "SCHOOL_CODE": np.array([place.code for place in district.schools])[school],
        "GRADE_LEVEL": np.char.zfill(np.repeat(tests.grade, subjects).astype(str), 2),
        "RACE": np.array([_RACE_CODES[race] for race in RACES])[people["race"].to_numpy()],
        "MAP_SCALE_SCORE": np.where(is_alternate, BLANK, score.astype(str)),
        "PERFORMANCE_LEVEL": np.array(profile.levels)[level],
        "PERFORMANCE_LEVEL_CODE": (level + 1).astype(str),
        "MAP_SCORE_INVALIDATION": np.where(is_void, "Y", BLANK),
        "MAP_ALTERNATE": np.where(is_alternate, "Y", BLANK),
        "TEST_NAME_MAP": np.where(is_alternate, "MAPA", "MAP"),
        "TEST_DATE": np.where(is_alternate, BLANK, date(tests.year, 4, 25).strftime("%m%d%y")),
        "DISTRICT_NAME": np.full(len(people), district.name),
        "SCHOOL_NAME": np.array([place.name for place in district.schools])[school],
    }
    frame = people.select(
        pl.col("last_name").str.pad_end(_NAME_WIDTH).alias("LAST_NAME"),
        pl.col("first_name").alias("FIRST_NAME"),
        pl.col("middle_initial").replace("", BLANK).alias("MIDDLE_INITIAL"),
        # The month comes without its leading zero: 50916 is 9 May 2016.
        pl.col("birth_date").dt.strftime("%m%d%y").str.strip_prefix("0").alias("DATE_OF_BIRTH"),
        pl.when("is_female").then(pl.lit("F")).otherwise(pl.lit("M")).alias("GENDER"),
        _yes("has_disability").alias("IEP_STUDENT"),
        _yes("is_english_learner").alias("EL_STUDENT"),
        _yes("is_migrant").alias("MIGRANT_STUDENT"),
        _yes("is_homeless").alias("HOMELESS"),
        _yes("is_disadvantaged").alias("MAP_DIRECT_CERT"),
        pl.col("student_id").alias("MOSIS_STATE_ID"),
        *(pl.Series(name, values) for name, values in cells.items()),
    )
    frame = frame.with_columns(pl.lit(BLANK).alias(name) for name in MAP_COLUMNS if name not in frame.columns)
    status = np.full(len(people), ACCEPTED, dtype="U24")
    status[is_void] = "void"
    status[is_alternate] = "alternate"
    return Sheet(
        frame=frame.select(MAP_COLUMNS),
        status=status[:, None],
        student_id="MOSIS_STATE_ID",
        last_name="LAST_NAME",
        grade="GRADE_LEVEL",
        birth_date="DATE_OF_BIRTH",
        scores=("MAP_SCALE_SCORE",),
        middle_score=(profile.lowest_score + profile.highest_score) // 2,
        blank=BLANK,
        bad_birth_dates=("50931", "134599"),
    )


def _yes(flag: str) -> pl.Expr:
    return pl.when(flag).then(pl.lit("Y")).otherwise(pl.lit(BLANK))
