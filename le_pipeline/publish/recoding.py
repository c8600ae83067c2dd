"""Recoding of what an agreement covers: who is left out, what becomes coarser, whose school and teachers are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from le_pipeline.errors import AnonymityError
from le_pipeline.publish.hierarchy import ALL, Hierarchy
from le_pipeline.publish.lattice import Found, Node, least_loss
from le_pipeline.publish.population import Place, Population, Rules
from le_pipeline.publish.showing import settled
from schemas.extract_agreement import Agreement

SCORE = ["student_key", "school_year", "subject"]
OF_SCORE = (
    *("z_score", "percentile_rank", "performance_level", "level_order", "proficient"),
    *("prior_z_score", "prior_percentile_rank", "prior_other_z_score"),
)
OF_TEACHER = ("exposure", "staff_key", "weight", "role", "is_active", "years_in_program", "region", "experience_band")
OF_PLACE = ("lea_id", "school_id")
BETWEEN = "\x1f"  # district and school in one text


@dataclass(frozen=True)
class Recoding:
    """The recoding of least loss of the rows that an agreement covers.

    `lines`: one row per student, subject, school year and teacher, as `research_extract.sql` gives them.
    """

    lines: pl.DataFrame
    agreement: Agreement
    hierarchies: Mapping[str, Hierarchy]

    @cached_property
    def population(self) -> Population:
        """The students with their trajectories."""
        wanted = [found for element, found in self.hierarchies.items() if element in self.agreement.elements]
        agreed = self.agreement
        rules = Rules(agreed.k, agreed.max_suppressed, agreed.least_shown)
        return Population(self._scores, wanted, self._place, rules)

    @cached_property
    def found(self) -> Found:
        """The node of the lattice that loses least.

        Raises:
            AnonymityError: even where every characteristic is one, too many rows would have to be left out, or too few
                could show school and teachers.
        """
        population, agreed = self.population, self.agreement
        found = least_loss(population.heights, population.bound, population.judge)
        if found is None:
            top = population.groups(population.heights, population.slots)
            shown = (
                f", and {population.shown(top):.1%} would show school and teachers" if population.shows_places else ""
            )
            raise AnonymityError(
                f"k = {agreed.k} cannot be reached: with every characteristic recoded to one value,"
                f" {population.suppressed(top):.1%} of the rows would still be left out{shown}; at most"
                f" {agreed.max_suppressed:.1%} may be left out, and at least {agreed.least_shown:.1%} must show them"
                " (`least_shown`). Cover fewer school years or subjects, or ask for fewer elements of scores: each"
                " year, test and empty cell is something to know a student by"
            )
        return found

    @property
    def students(self) -> pl.DataFrame:
        """Every student, with what becomes of them (`is_kept`, `is_shown`) and what their cells lose."""
        return self._outcome[1]

    @property
    def levels(self) -> dict[str, int]:
        """The level of each hierarchy."""
        named = zip(self.population.hierarchies, self._outcome[0], strict=True)
        return {found.element: level for found, level in named}

    @cached_property
    def _outcome(self) -> tuple[Node, pl.DataFrame]:
        """The node that was found, and its students.

        The search does not look at the classes of teachers, which may hide more. So what the others are told of the
        place is chosen once more where that is known.

        Raises:
            AnonymityError: classes of teachers are so small that too few rows show school and teachers.
        """
        population, node = self.population, self.found.node
        if not population.shows_places:
            return node, population.assigned(node)
        links = self.lines.drop_nulls("staff_key").select(*SCORE, "staff_key")
        outcomes = []
        for level in range(population.heights[-1] + 1):
            other = (*node[:-1], level)
            if population.judge(other) is not None:
                students = settled(population.assigned(other), links, self.agreement.k, population.slots)
                outcomes.append((population.loss(students), other, students))
        _, best, students = min(outcomes, key=lambda outcome: outcome[:2])
        if (shown := population.shown(students)) < self.agreement.least_shown:
            raise AnonymityError(
                f"teachers with fewer than {self.agreement.k} students in a subject and year cannot be shown, and so no"
                f" more than {shown:.1%} of the rows would show school and teachers; at least"
                f" {self.agreement.least_shown:.1%} must (`least_shown`)"
            )
        return best, students

    def table(self) -> pl.DataFrame:
        """The rows that are delivered, with keys and ids in the place of codes, and the achievement level as `level`.

        Where a school is not shown, nothing of the teachers is, and rows of several teachers are one.
        """
        place = self._place
        told = place.columns[self.levels["place"]] if place else ()
        hidden = {*OF_TEACHER, *OF_PLACE}.difference(told).intersection(self.agreement.elements)
        return (
            self.lines.join(self.students.filter("is_kept").select("student_key", "is_shown"), on="student_key")
            .with_columns(
                *(self._recoded(element) for element in self.levels if element != "place"),
                *(pl.when("is_shown").then(pl.col(name)).alias(name) for name in hidden),
                pl.col("level_order").alias("level"),
            )
            .select(*self.agreement.elements, "level")
            .unique(maintain_order=True)
        )

    @cached_property
    def _scores(self) -> pl.DataFrame:
        """One row per score, as `Population` asks for it."""
        slot = pl.format("{} {}", "school_year", "subject")
        filled = [pl.col(name).is_null().cast(pl.Int8) for name in OF_SCORE if name in self.agreement.elements]
        named = [pl.col("assessment")] if "assessment" in self.agreement.elements else []
        school = pl.concat_str(pl.col("lea_id").fill_null(""), pl.col("school_id").fill_null(""), separator=BETWEEN)
        return (
            self.lines.join(self.lines.group_by(SCORE).len("rows"), on=SCORE)
            .unique(SCORE, keep="first", maintain_order=True)
            .with_columns(
                slot.alias("slot"),
                pl.concat_str(slot, *named, *filled, separator=BETWEEN).alias("shape"),
                pl.col("level_order").alias("level"),
                school.alias("school"),
                school.alias("place"),
            )
        )

    @cached_property
    def _place(self) -> Place | None:
        """Where students are, from school to district to nothing, as far as the agreement asks for it."""
        asked = set(self.agreement.elements)
        of_teacher = bool(asked.intersection(OF_TEACHER))
        schools = self._scores["school"].unique().sort().to_list()
        levels: dict[tuple[str, ...], dict[str, str]] = {}
        if "school_id" in asked:
            levels[OF_PLACE] = {school: school for school in schools}
        if "lea_id" in asked:
            levels["lea_id",] = {school: school.split(BETWEEN)[0] for school in schools}
        if not levels and not of_teacher:
            return None
        levels[()] = dict.fromkeys(schools, ALL)
        known = Hierarchy("place", tuple(levels.values()))
        return Place(known, tuple(levels), of_teacher or "school_id" in asked, of_teacher)

    def _recoded(self, name: str) -> pl.Expr:
        level, found = self.levels[name], self.hierarchies[name]
        is_top = level == len(found.levels) - 1
        recoded = pl.col(name).replace_strict(found.levels[level])
        return recoded.fill_null(ALL) if is_top else recoded
