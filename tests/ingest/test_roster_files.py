"""Roster sets of the standards and vendors that districts use: who is linked to whom, when, and under which ids."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from landed import Landed
from le_pipeline.ingest.partition import FeedReport
from le_pipeline.privacy.pseudonym import pseudonyms
from schemas import registry

YES, NO = "true", "false"


def land(landed: Landed, folder: str, **files: Iterable[str]) -> None:
    """A set of CSV files in a folder of its own; the first line of each is its header."""
    for name, lines in files.items():
        landed.file(f"{folder}/{name}.csv", "\n".join(lines) + "\n")


def rows(landed: Landed, feed: str, *columns: str, ids: Iterable[str]) -> set[tuple[Any, ...]]:
    """The feed's table after a run, with the ids in place of the pseudonyms that stand for them."""
    report: FeedReport = landed.run(feed)
    assert report.held_by == {}
    table = registry.feeds()[feed]
    frame = landed.lake.read(table).select(columns)
    for column in table.columns:
        if column.name in columns and column.field.type == "key":
            keys = pseudonyms(pl.Series(list(ids)), domain=str(column.field.domain), issuer="LA", keys=landed.keys)
            known = dict(zip(keys, ids, strict=True))
            frame = frame.with_columns(pl.col(column.name).replace_strict(known, default="somebody else"))
    return set(frame.rows())


# -- OneRoster -------------------------------------------------------------------------------------------------------

ORGS = (
    "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId",
    "la,,,Louisiana,state,LA,",
    "d,,,North Parish,district,017,la",
    "s1,,,East School,school,017001,d",
    "s2,,,West School,school,017002,d",
)
SESSIONS = (
    "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear",
    "y,,,2015-16,schoolYear,2015-08-10,2016-05-25,,2016",
    "fall,,,Fall,semester,2015-08-10,2015-12-18,y,2016",
    "spring,,,Spring,semester,2016-01-05,2016-05-25,y,2016",
    "q1,,,Quarter 1,gradingPeriod,2015-08-10,2015-10-09,fall,2016",
    "q3,,,Quarter 3,gradingPeriod,2016-01-05,2016-03-11,spring,2016",
)
COURSES = (
    "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes",
    'm4,,,y,Mathematics 4,MATH4,04,d,"Mathematics,Algebra",',
    "a4,,,y,Art 4,ART4,04,d,Art,",
)
CLASSES = (
    (
        "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,"
        "termSourcedIds,subjects,subjectCodes,periods"
    ),
    'c1,,,Math,04,m4,,scheduled,,s1,"fall,spring",,,1',
    "c2,,,Math,04,m4,,scheduled,,s1,q3,,,2",
    "c3,,,Art,04,a4,,scheduled,,s2,fall,,,3",
    "c4,tobedeleted,,Art,04,a4,,scheduled,,s2,fall,,,3",
)
ENROLLMENTS = (
    "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate",
    "e1,,,c1,s1,u1,student,false,2015-08-20,2016-05-25",
    "e2,,,c3,s2,u1,student,false,,",
    "e3,,,c1,s1,u2,student,false,,",
    "e4,,,c1,s1,t1,teacher,true,,",
    "e5,,,c1,s1,t2,aide,false,,",
    "e6,,,c1,s1,t3,administrator,false,,",
)
USERS_1_1 = (
    (
        "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,"
        "identifier,email,sms,phone,agentSourcedIds,grades,password"
    ),
    'u1,,,true,"s1, s2",student,ann,,Ann,Ames,,1001,,,,,"04,05",',
    'u2,,,true,"d,s1",student,ben,,Ben,Bond,,1002,,,,,KG,',
    "t1,,,true,s1,teacher,cy,,Cy,Cole,,9001,cy@example.org,,,,,",
    "t2,,,true,s1,aide,di,,Di,Dunn,,9002,,,,,,",
    "t3,,,true,s1,administrator,ed,,Ed,Eads,,9003,,,,,,",
)
USERS_1_2 = (
    (
        "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,"
        "sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,preferredGivenName,"
        "preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns"
    ),
    "u1,,,true,ann,,Ann,Ames,,1001,,,,,04,,m1,,,,,s1,",
    "u2,,,true,ben,,Ben,Bond,,1002,,,,,KG,,m2,,,,,s1,",
    "t1,,,true,cy,,Cy,Cole,,9001,cy@example.org,,,,,,m3,,,,,s1,",
    "t2,,,true,di,,Di,Dunn,,9002,,,,,,,m4,,,,,s1,",
    "t3,,,true,ed,,Ed,Eads,,9003,,,,,,,m5,,,,,d,",
)
ROLES = (
    "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId",
    "r1,,,u1,primary,student,2015-08-10,2016-01-08,s1,",
    "r2,,,u1,secondary,student,2016-01-11,,s2,",
    "r3,,,u2,primary,student,,,s1,",
    "r4,,,u2,secondary,student,,,d,",
    "r5,,,t1,primary,teacher,2015-08-01,,s1,",
    "r6,,,t2,primary,aide,,,s1,",
    "r7,,,t3,primary,districtAdministrator,,,d,",
    "r8,tobedeleted,,t1,secondary,teacher,,,s2,",
)
DEMOGRAPHICS = (
    (
        "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,blackOrAfricanAmerican,"
        "nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,"
        "countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus"
    ),
    f"u1,,,2006-02-03,female,{NO},{NO},{NO},{NO},{YES},{NO},{YES},,,,",
    f"u2,,,2010-04-05,unspecified,{NO},{YES},{NO},{NO},{NO},{NO},{NO},,,,",
)
SET = {"orgs": ORGS, "academicSessions": SESSIONS, "courses": COURSES, "classes": CLASSES, "enrollments": ENROLLMENTS}
PEOPLE = ("1001", "1002", "9001", "9002", "9003")
SECTIONS = ("017001/c1", "017001/c2", "017002/c3")


@pytest.fixture(params=["1.1", "1.2"])
def oneroster(request: pytest.FixtureRequest, landed: Landed) -> Landed:
    """The same district as OneRoster 1.1 and as 1.2 tell it."""
    users = {"users": USERS_1_1} if request.param == "1.1" else {"users": USERS_1_2, "roles": ROLES}
    land(landed, "set", **SET, **users)
    return landed


def test_a_class_runs_from_the_first_day_of_its_terms_to_the_last_within_the_year_above_them(oneroster: Landed) -> None:
    terms = ("term_begin_date", "term_end_date", "year_begin_date", "year_end_date")
    first, last = date(2015, 8, 10), date(2016, 5, 25)
    assert rows(oneroster, "section", "section_key", "school_id", "lea_id", "subject", *terms, ids=SECTIONS) == {
        ("017001/c1", "017001", "017", "mathematics", first, last, first, last),
        ("017001/c2", "017001", "017", "mathematics", date(2016, 1, 5), date(2016, 3, 11), first, last),
        ("017002/c3", "017002", "017", "other", first, date(2015, 12, 18), first, last),
    }
    assert oneroster.delivery("set/classes.csv")["excluded_by_reason"] == '{"deleted": 1}'


def test_enrollments_link_students_and_teachers_to_classes(oneroster: Landed) -> None:
    ids = (*PEOPLE, *SECTIONS)
    assert rows(oneroster, "student_section", "student_key", "section_key", "begin_date", ids=ids) == {
        ("1001", "017001/c1", date(2015, 8, 20)),
        ("1001", "017002/c3", None),
        ("1002", "017001/c1", None),
    }
    assert rows(oneroster, "staff_section", "staff_key", "section_key", "position", ids=ids) == {
        ("9001", "017001/c1", "teacher_of_record"),
        ("9002", "017001/c1", "assistant"),
    }


def test_every_file_of_a_set_is_known(oneroster: Landed) -> None:
    land(oneroster, "set", manifest=["propertyName,value"], demographics=DEMOGRAPHICS)
    land(oneroster, "set", lineItems=["sourcedId,status,dateLastModified,title", "l1,,,Quiz"])
    oneroster.run()
    refused = oneroster.lake.read(registry.tables()["delivery"]).filter(pl.col("delivery_status") == "refused")
    assert refused["path"].to_list() == []


def test_a_student_of_two_schools_is_enrolled_in_both_and_not_in_the_district(landed: Landed) -> None:
    land(landed, "set", **SET, users=USERS_1_1)
    assert rows(landed, "student_enrollment", "student_key", "school_id", "lea_id", "grade", ids=PEOPLE) == {
        ("1001", "017001", "017", "04"),
        ("1001", "017002", "017", "04"),
        ("1002", "017001", "017", "KG"),
    }
    account = landed.delivery("set/users.csv")["excluded_by_reason"]
    assert account == '{"not_a_school": 1, "other_role": 3}'


def test_a_set_without_dates_grades_and_terms_gives_what_it_has_and_names_what_it_lacks(landed: Landed) -> None:
    """As another vendor writes it: `grade` and `agents`, no dates of enrollments, headers without a row."""
    enrollments = "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,status,dateLastModified,primary"
    users = (
        "sourcedId,enabledUser,status,dateLastModified,orgSourcedIds,role,username,userId,givenName,familyName,"
        "identifier,email,sms,phone,agents,ext_vendor_databaseId"
    )
    land(
        landed,
        "set",
        **(SET | {"academicSessions": SESSIONS[:1], "enrollments": [enrollments, "e1,c1,s1,u1,student,,,"]}),
    )
    land(landed, "set", users=[users, "u1,TRUE,,,s1,student,ann,x,Ann,Ames,1001,,,,,7"])
    land(landed, "set", demographics=["userSourcedId,status,dateLastModified,birthdate,sex"])
    ids = (*PEOPLE, *SECTIONS)
    assert rows(landed, "student_enrollment", "student_key", "school_id", "grade", ids=ids) == {
        ("1001", "017001", None)
    }
    assert rows(landed, "student_section", "student_key", "section_key", ids=ids) == {("1001", "017001/c1")}
    assert landed.delivery("set/users.csv")["missing_columns"] == "middleName, grades"
    assert landed.run("section").held_by  # nobody can say when the classes were
    assert ("required", "term.startDate") in landed.quarantine("rule", "source_column")


def test_demographics_are_joined_to_students_where_a_set_has_them(landed: Landed) -> None:
    land(landed, "set", **SET, users=USERS_1_2, roles=ROLES, demographics=DEMOGRAPHICS)
    columns = ("student_key", "school_id", "entry_date", "exit_date", "sex", "race_ethnicity")
    assert rows(landed, "student_enrollment", *columns, ids=PEOPLE) == {
        ("1001", "017001", date(2015, 8, 10), date(2016, 1, 8), "female", "hispanic_or_latino"),
        ("1001", "017002", date(2016, 1, 11), None, "female", "hispanic_or_latino"),
        ("1002", "017001", None, None, "not_selected", "asian"),
    }
    born = landed.vaulted("identity", "student_enrollment").select("student_id", "birth_date").unique().rows()
    assert set(born) == {("1001", date(2006, 2, 3)), ("1002", date(2010, 4, 5))}


def test_roles_say_which_staff_work_where(landed: Landed) -> None:
    land(landed, "set", **SET, users=USERS_1_2, roles=ROLES)
    columns = ("staff_key", "position", "is_teacher", "school_id", "lea_id", "begin_date")
    assert rows(landed, "staff_assignment", *columns, ids=PEOPLE) == {
        ("9001", "teacher", "yes", "017001", "017", date(2015, 8, 1)),
        ("9002", "support_staff", "no", "017001", "017", None),
        ("9003", "district_leader", "no", None, "017", None),
    }


# -- Clever ----------------------------------------------------------------------------------------------------------

CLEVER = {
    "schools": (
        "School_id,School_name,School_number,State_id,Low_grade,High_grade,Principal,Principal_email",
        "1,East School,001,017001,K,5,Ed Eads,",
        "2,West School,002,017002,K,5,,",
    ),
    "students": (
        (
            "School_id,Student_id,Student_number,State_id,Last_name,Middle_name,First_name,Grade,Gender,DOB,Race,"
            "Hispanic_Latino,Ell_status,Frl_status,IEP_status,Contact_name"
        ),
        "1,501,N1,1001,Ames,J,Ann,4,F,02/03/2006,W,Y,N,F,N,Mother",
        "1,501,N1,1001,Ames,J,Ann,4,F,02/03/2006,W,Y,N,F,N,Father",
        "2,502,N2,1002,Bond,,Ben,Kindergarten,M,4/5/2010,B,N,Y,P,Y,",
        "2,503,N3,1003,Cash,,Cat,TransitionalKindergarten,X,2010-04-06,A,,,,,",
        "2,504,N4,1004,Dale,,Dot,K,F,2010-04-07,,N,,,,",
    ),
    "teachers": (
        "School_id,Teacher_id,Teacher_number,State_teacher_id,Teacher_email,First_name,Middle_name,Last_name,Title",
        "1,701,,9001,cy@example.org,Cy,,Cole,Ms",
        "2,701,,9001,cy@example.org,Cy,,Cole,Ms",
        "1,702,,9002,di@example.org,Di,,Dunn,",
    ),
    "sections": (
        (
            "School_id,Section_id,Teacher_id,Teacher_2_id,Name,Section_number,Grade,Course_name,Course_number,Period,"
            "Subject,Term_name,Term_start,Term_end"
        ),
        "1,31,701,702,Math 4,1,4,Math,M4,1,math,Year,08/10/2015,05/25/2016",
        "2,31,701,,ELA K,1,K,ELA,E0,1,english/language arts,Fall,2015-08-10,2015-12-18",
    ),
    "enrollments": ("School_id,Section_id,Student_id", "1,31,501", "2,31,502", "2,31,503"),
}
CLEVER_IDS = ("1001", "1002", "1003", "1004", "9001", "9002", "017001/31", "017002/31")


@pytest.fixture
def clever(landed: Landed) -> Landed:
    land(landed, "set", **CLEVER)
    return landed


def test_students_of_a_clever_set_come_with_the_ids_of_the_state_and_one_race_each(clever: Landed) -> None:
    columns = ("student_key", "school_id", "grade", "sex", "race_ethnicity", "economically_disadvantaged", "disability")
    assert rows(clever, "student_enrollment", *columns, ids=CLEVER_IDS) == {
        ("1001", "017001", "04", "female", "hispanic_or_latino", "yes", "no"),
        ("1002", "017002", "KG", "male", "black_or_african_american", "no", "yes"),
        ("1003", "017002", "KG", "not_selected", "asian", None, None),
        ("1004", "017002", "KG", "female", None, None, None),
    }
    known = clever.vaulted("identity", "student_enrollment").select("student_id", "local_student_id", "birth_date")
    assert set(known.rows()) == {
        ("1001", "N1", date(2006, 2, 3)),
        ("1002", "N2", date(2010, 4, 5)),
        ("1003", "N3", date(2010, 4, 6)),
        ("1004", "N4", date(2010, 4, 7)),
    }
    assert clever.delivery("set/students.csv")["rows_duplicate"] == 1  # one row per contact


def test_teachers_of_a_clever_set_work_in_each_school_that_lists_them(clever: Landed) -> None:
    assert rows(clever, "staff_assignment", "staff_key", "school_id", "position", ids=CLEVER_IDS) == {
        ("9001", "017001", "teacher"),
        ("9001", "017002", "teacher"),
        ("9002", "017001", "teacher"),
    }


def test_sections_of_a_clever_set_have_subject_and_term_and_link_all_their_teachers(clever: Landed) -> None:
    columns = ("section_key", "school_id", "subject", "term_begin_date", "term_end_date")
    assert rows(clever, "section", *columns, ids=CLEVER_IDS) == {
        ("017001/31", "017001", "mathematics", date(2015, 8, 10), date(2016, 5, 25)),
        ("017002/31", "017002", "ela", date(2015, 8, 10), date(2015, 12, 18)),
    }
    assert rows(clever, "staff_section", "staff_key", "section_key", "position", ids=CLEVER_IDS) == {
        ("9001", "017001/31", "teacher_of_record"),
        ("9002", "017001/31", "teacher_of_record"),
        ("9001", "017002/31", "teacher_of_record"),
    }
    assert rows(clever, "student_section", "student_key", "section_key", ids=CLEVER_IDS) == {
        ("1001", "017001/31"),
        ("1002", "017002/31"),
        ("1003", "017002/31"),
    }


def test_a_homeroom_of_the_grades_to_5_is_a_class_of_all_subjects_where_the_file_tells_the_grade(
    landed: Landed,
) -> None:
    header = CLEVER["sections"][0]
    homeroom = "1,{0},701,,Room,1,{1},,,,{2},Year,08/10/2015,05/25/2016"
    kinds = ("3,homeroom/advisory", "K,homeroom/advisory", "9,homeroom/advisory", "3,math", "3,Self-Contained", "3,")
    sections = [homeroom.format(number, *kind.split(",")) for number, kind in enumerate(kinds)]
    land(landed, "set", **(CLEVER | {"sections": (header, *sections, *[sections[3].replace(",3,", ",7,", 1)] * 20)}))
    found = rows(landed, "section", "section_key", "subject", ids=tuple(f"017001/{number}" for number in range(8)))
    assert found == {
        ("017001/0", "all_subjects"),
        ("017001/1", "all_subjects"),
        ("017001/2", "other"),
        ("017001/3", "mathematics"),
        ("017001/4", "all_subjects"),
        ("017001/7", "mathematics"),
    }
    assert landed.quarantine("rule", "source_column") == [("required", "Subject+Grade")]


def test_every_file_of_a_clever_set_is_known_and_lacks_nothing_that_is_needed(clever: Landed) -> None:
    for feed in ("student_enrollment", "staff_assignment", "section", "staff_section", "student_section"):
        clever.run(feed)
    deliveries = clever.lake.read(registry.tables()["delivery"])
    assert set(deliveries["delivery_status"]) == {"accepted", "noted"}
    assert set(deliveries["missing_columns"].drop_nulls()) <= {""}
    assert set(deliveries["unknown_columns"].drop_nulls()) <= {""}


def test_a_second_teacher_whom_no_file_gives_an_id_is_quarantined_and_not_lost(landed: Landed) -> None:
    sections = (*CLEVER["sections"][:1], "1,31,701,799,Math 4,1,4,Math,M4,1,math,Year,08/10/2015,05/25/2016")
    land(landed, "set", **(CLEVER | {"sections": sections}))
    assert landed.run("staff_section").held_by
    assert landed.quarantine("rule", "source_column") == [("required", "teacher_2.State_teacher_id")]


# -- Ed-Fi as CSV ----------------------------------------------------------------------------------------------------

EDFI_SECTION = "SectionIdentifier,LocalCourseCode,SchoolId,SessionName,SchoolYear"
EDFI = {
    "School": (
        "SchoolId,NameOfInstitution,EducationOrganizationCategory,LocalEducationAgencyReference",
        "17001,E,School,17",
    ),
    "Session": (
        "SessionName,SchoolYear,BeginDate,EndDate,Term,SchoolId",
        "Fall,2015-2016,2015-08-10,2015-12-18,Fall Semester,17001",
        "Fall,2015-2016,2015-08-17,2015-12-11,Fall Semester,17002",
        "Spring,2015-2016,2016-01-05,2016-05-25,Spring Semester,17001",
    ),
    "Section": (
        EDFI_SECTION,
        "x1,MATH-04,17001,Fall,2015-2016",
        "x1,MATH-04,17001,Spring,2015-2016",
        "x1,ALG-1,17002,Fall,2015-2016",
    ),
    "Student": (
        "StudentUniqueId,Name.FirstName,Name.MiddleName,Name.LastSurname,BirthData.BirthDate,BirthData.BirthSex",
        "1001,Ann,J,Ames,2006-02-03,Female",
    ),
    "Staff": (
        (
            "StaffUniqueId,Name.FirstName,Name.MiddleName,Name.LastSurname,Sex,BirthDate,ElectronicMail.ElectronicMailAddress,"
            "HispanicLatinoEthnicity,Race,HighestCompletedLevelOfEducation,YearsOfPriorTeachingExperience"
        ),
        "9001,Cy,,Cole,Female,1976-08-19,cy@example.org,1,White,Master's,12.00",
        "9002,Di,,Dunn,Male,1980-01-02,,0,Asian,,",
    ),
}
EDFI_IDS = ("1001", "9001", "9002", "17001/Fall/MATH-04/x1", "17001/Spring/MATH-04/x1", "17002/Fall/ALG-1/x1")


def test_a_session_is_looked_up_by_school_year_and_name_together(landed: Landed) -> None:
    land(landed, "edfi", **EDFI)
    columns = ("section_key", "lea_id", "subject", "term_begin_date", "term_end_date")
    assert rows(landed, "section", *columns, ids=EDFI_IDS) == {
        ("17001/Fall/MATH-04/x1", "17", "mathematics", date(2015, 8, 10), date(2015, 12, 18)),
        ("17001/Spring/MATH-04/x1", "17", "mathematics", date(2016, 1, 5), date(2016, 5, 25)),
        ("17002/Fall/ALG-1/x1", None, "algebra_1", date(2015, 8, 17), date(2015, 12, 11)),
    }


def test_associations_of_edfi_link_people_to_the_sections_of_the_section_file(landed: Landed) -> None:
    staff = (
        f"StaffUniqueId,{EDFI_SECTION},ClassroomPosition,BeginDate",
        "9001,x1,MATH-04,17001,Fall,2015-2016,Teacher of Record,",
    )
    student = (f"StudentUniqueId,{EDFI_SECTION},BeginDate,EndDate", "1001,x1,MATH-04,17001,Fall,2015-2016,2015-08-20,")
    school = (
        "StudentUniqueId,SchoolId,SchoolYear,EntryDate,EntryGradeLevel",
        "1001,17001,2016,2015-08-20,Fourth grade",
    )
    land(landed, "edfi", **EDFI, StaffSectionAssociation=staff, StudentSectionAssociation=student)
    land(landed, "edfi", StudentSchoolAssociation=school)
    linked = ("section_key", "begin_date")
    assert rows(landed, "staff_section", "staff_key", *linked, ids=EDFI_IDS) == {
        ("9001", "17001/Fall/MATH-04/x1", None)
    }
    assert rows(landed, "student_section", "student_key", *linked, ids=EDFI_IDS) == {
        ("1001", "17001/Fall/MATH-04/x1", date(2015, 8, 20))
    }
    columns = ("student_key", "school_id", "lea_id", "grade", "sex", "entry_date")
    assert rows(landed, "student_enrollment", *columns, ids=EDFI_IDS) == {
        ("1001", "17001", "17", "04", "female", date(2015, 8, 20))
    }


def test_assignments_of_edfi_take_the_person_from_the_staff_file(landed: Landed) -> None:
    assignments = (
        "StaffUniqueId,EducationOrganizationId,StaffClassification,PositionTitle,BeginDate,FullTimeEquivalency",
        "9001,17001,Teacher,4th grade,2010-08-01,0.5",
        "9002,17,Superintendent,,2012-07-01,",
    )
    employments = (
        "StaffUniqueId,EducationOrganizationId,EmploymentStatus,FullTimeEquivalency",
        "9001,17001,Tenured,1",
        "9002,17001,Tenured,0.2",
        "9002,17,Tenured,0.8",
    )
    land(landed, "edfi", **EDFI, StaffEducationOrganizationAssignmentAssociation=assignments)
    land(landed, "edfi", StaffEducationOrganizationEmploymentAssociation=employments)
    columns = ("staff_key", "school_id", "lea_id", "position", "fte", "experience_years", "race_ethnicity", "sex")
    assert rows(landed, "staff_assignment", *columns, ids=EDFI_IDS) == {
        ("9001", "17001", "17", "teacher", 0.5, 12.0, "hispanic_or_latino", "female"),
        ("9002", None, None, "district_leader", 0.8, None, "asian", "male"),
    }


def test_of_several_scores_of_an_edfi_assessment_the_scale_score_is_taken_wherever_it_stands(landed: Landed) -> None:
    score = "ScoreResult.Result,ScoreResult.AssessmentReportingMethod"
    header = [
        "StudentUniqueId,AssessmentIdentifier,AdministrationDate,SchoolYear,WhenAssessedGradeLevel",
        *(",".join(f"{name}{place}" for name in score.split(",")) for place in ("", "_2", "_3")),
        "PerformanceLevel.PerformanceLevel",
    ]
    assessment = (
        ",".join(header),
        "1001,SA-Mathematics-4,2016-04-01T16:00:00,2016,Fourth grade,28,Raw score,691,Vertical score,,,Met Standard",
        "1001,SA-Reading-4,2016-04-01,2016,4,L,Lexile Measure,30,Raw score,704,Vertical score,Met Standard",
        "1002,SA-Reading-4,2016-04-01,2016,4,,,,,,,",
    )
    land(landed, "edfi", StudentAssessment=assessment)
    columns = ("student_key", "subject", "grade", "scale_score", "proficient", "test_date")
    assert rows(landed, "student_assessment", *columns, ids=EDFI_IDS) == {
        ("1001", "mathematics", "04", 691.0, "yes", date(2016, 4, 1)),
        ("1001", "reading", "04", 704.0, "yes", date(2016, 4, 1)),
    }
    excluded = landed.delivery("edfi/StudentAssessment.csv")["excluded_by_reason"]
    assert excluded == '{"not_tested": 4, "other_score": 3}'


# -- The public sets of shared/data ----------------------------------------------------------------------------------

GRAND_BEND = Path(__file__).parents[3] / "shared" / "data" / "edfi_grandbend"


@pytest.mark.skipif(not GRAND_BEND.exists(), reason=f"the Ed-Fi sample district is not at {GRAND_BEND}")
def test_the_sample_district_of_edfi_comes_in_whole(landed: Landed) -> None:
    for path in GRAND_BEND.glob("*.csv"):
        landed.file(f"edfi/{path.name}", path.read_bytes())
    feeds = ("staff_assignment", "section", "staff_section", "student_assessment")
    assert [landed.run(feed).held_by for feed in feeds] == [{}] * 4
    accounts = landed.lake.read(registry.tables()["delivery"]).filter(pl.col("feed").is_not_null())
    columns = ("layout", "rows_read", "rows_accepted", "rows_quarantined", "rows_excluded")
    assert set(accounts.select(columns).rows()) >= {
        ("edfi_staff_assignment", 69, 69, 0, 0),
        ("edfi_sections", 532, 532, 0, 0),
        ("edfi_staff_sections", 528, 528, 0, 0),
        ("edfi_act", 335, 335, 0, 0),
        ("edfi_benchmark", 160, 0, 0, 160),
        ("edfi_state_assessment", 102, 32, 0, 70),  # three scores a row, of which one is the scale score
    }
    scores = landed.lake.read(registry.feeds()["student_assessment"])
    assert scores["school_year"].unique().to_list() == [2022]
    met = scores.filter(pl.col("assessment") == "State Assessment")
    assert met.group_by("subject", "proficient").len().sort("subject", "proficient").rows() == [
        ("mathematics", "no", 7),
        ("mathematics", "yes", 9),
        ("reading", "no", 3),
        ("reading", "yes", 13),
    ]
