"""Students as an intruder meets them: by everything that is known of them over all years together.

A student code ties the rows of all years and subjects together, so what must be shared with others is not a row but the
whole trajectory: which subjects were tested in which years, which cells are filled, and school, grade and
characteristics in each of them. Students are counted once, however many rows they have.

Students alike in everything before recoding are counted together first, so that judging a node of the lattice does not
grow with the number of students.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from le_pipeline.publish.anonymity import Risks, risks
from le_pipeline.publish.hierarchy import Hierarchy
from le_pipeline.publish.lattice import Node
from le_pipeline.publish.showing import LEAST, MOST, diverse, may_be_shown, spread

DIGITS = 12
SEP = "\x1e"  # between the values of a trajectory; in no value of a file
STUDENT, SLOT, SHAPE, SCHOOL = "student_key", "slot", "shape", "school"


@dataclass(frozen=True)
class Place:
    """Where students are, as an extract says it.

    `hierarchy`: of the column `place` of the scores, with the columns that tell each level (`columns`); the level that
    is chosen is for those of whom more cannot be shown. `is_shown_where_safe`: school and teachers are shown of all
    others. `has_teacher`: teachers are asked for.
    """

    hierarchy: Hierarchy
    columns: tuple[tuple[str, ...], ...]
    is_shown_where_safe: bool
    has_teacher: bool


@dataclass(frozen=True)
class Rules:
    """What an extract must keep: `k` students alike, and shares of rows.

    `max_suppressed`: at most so many are left out. `least_shown`: of at least so many school and teachers are shown,
    where they are asked for.
    """

    k: int
    max_suppressed: float
    least_shown: float = 0.0


class Population:
    """Students with their trajectories, ready to be recoded by any node of the lattice.

    Args:
        scores: one row per student, subject and school year: `student_key`, `slot` (school year and subject), `shape`
            (which cells are filled), `level` (place of the achievement level, empty where it is not known), `rows` (how
            many rows of the extract it makes), `school` (the true one), and the column of each hierarchy, `place`
            included.
        hierarchies: of the characteristics that are delivered.
        place: where students are; None where the extract does not say.
        rules: what must be kept.
    """

    def __init__(
        self, scores: pl.DataFrame, hierarchies: Sequence[Hierarchy], place: Place | None, rules: Rules
    ) -> None:
        self.k = rules.k
        self.rules = rules
        self.place = place
        self.hierarchies = [*hierarchies, *([place.hierarchy] if place else [])]
        self.heights = tuple(len(hierarchy.levels) - 1 for hierarchy in self.hierarchies)
        self.slots = sorted(scores[SLOT].unique())
        self.students, self.slots_of_shape = self._students(scores.sort(STUDENT, SLOT))
        self.rows = int(self.students["rows"].sum())
        self.characteristics = len(hierarchies)
        if place:
            self.characteristics += 1 + (self.shows_places and place.has_teacher)

    @property
    def shows_places(self) -> bool:
        """Whether school or teachers are shown of anybody."""
        return self.place is not None and self.place.is_shown_where_safe

    @property
    def nodes(self) -> int:
        """Nodes of the lattice."""
        return math.prod(height + 1 for height in self.heights)

    @property
    def cells(self) -> int:
        """Cells of all scores that recoding may touch."""
        return int(self.students["scores"].sum()) * self.characteristics

    @cached_property
    def alike(self) -> pl.DataFrame:
        """Students alike in everything: `n` of them, with what they become, and lose, on each level."""
        counted = self.students.group_by(self._own).agg(
            pl.len().alias("n"), pl.col("rows", "scores").sum(), *spread(self.slots)
        )
        for hierarchy in self.hierarchies:
            counted = counted.join(self._levels(hierarchy), on=hierarchy.element)
        return counted

    def bound(self, node: Node) -> float:
        """What the node loses where nobody is suppressed and every school is shown; no coarser node loses less."""
        return self._share(self.alike.select((pl.col("n") * self._lost(node)).sum()))

    def judge(self, node: Node, below: float = math.inf) -> float | None:
        """The node's loss, from 0 to 1; None where it is not below that, or does not keep the rules.

        Achievement levels are looked at last: they take most of the time, and what they add is always a loss.
        """
        loss = None
        for slots in ([], self.slots):
            groups = self.groups(node, slots)
            loss = self.loss(groups)
            if loss >= below or not self.keeps_rules(groups):
                return None
        return loss

    def keeps_rules(self, groups: pl.DataFrame) -> bool:
        """Whether few enough rows are left out, and enough show school and teachers."""
        return self.suppressed(groups) <= self.rules.max_suppressed and (
            not self.shows_places or self.shown(groups) >= self.rules.least_shown
        )

    def suppressed(self, groups: pl.DataFrame) -> float:
        """Share of the rows whose students are not kept."""
        return int(groups.filter(~pl.col("is_kept"))["rows"].sum()) / max(self.rows, 1)

    def shown(self, groups: pl.DataFrame) -> float:
        """Share of the rows of whose students school and teachers are shown."""
        return int(groups.filter("is_shown")["rows"].sum()) / max(self.rows, 1)

    def loss(self, groups: pl.DataFrame) -> float:
        """The mean loss of all cells, those of suppressed students included, which lose everything.

        A school that is shown loses nothing, and neither do its teachers; of everyone else the teacher is lost whole.
        """
        of_place = pl.when("is_shown").then(0).otherwise(pl.col("lost_in_place"))
        of_student = (
            pl.when("is_kept").then(pl.col("lost") + of_place).otherwise(self.characteristics * pl.col("scores"))
        )
        return self._share(groups.select(of_student.sum()))

    def groups(self, node: Node, slots: Sequence[str]) -> pl.DataFrame:
        """Students of one recoded trajectory (`class`) and true path of schools (`school`), counted.

        Args:
            node: the level of each hierarchy.
            slots: the school years and subjects in which two achievement levels are asked for.

        Returns:
            A row for each, with `n` students, their `rows` and `scores`, whether they are kept (`is_kept`), whether
            their school and teachers are shown (`is_shown`), and what their cells lose.
        """
        recoded = self._recoded(node)
        groups = self.alike.group_by([*recoded, SCHOOL]).agg(
            pl.col("n", "rows", "scores").sum(),
            (pl.col("n") * self._lost(node)).sum().alias("lost"),
            self._lost_in_place(node).sum().alias("lost_in_place"),
            *spread(slots),
        )
        classes = groups.group_by(recoded).agg(pl.col("n").sum().alias("together"), *spread(slots))
        is_kept = (pl.col("together") >= self.k) & diverse(slots)
        classes = classes.sort(recoded).select(*recoded, is_kept.alias("is_kept")).with_row_index("class")
        groups = self._none_or_k_left_out(groups.join(classes, on=recoded), slots)
        groups = groups.with_columns((~pl.col("is_kept")).alias("is_barred"))
        if not self.shows_places:
            return groups.with_columns(pl.lit(value=False).alias("is_shown"))
        return may_be_shown(groups, self.k, slots)

    def assigned(self, node: Node) -> pl.DataFrame:
        """Every student with their `class`, true path of schools, `is_kept`, `is_shown` and what their cells lose."""
        recoded = self._recoded(node)
        groups = self.groups(node, self.slots).select(*recoded, SCHOOL, "class", "is_kept", "is_shown")
        lost = (self._lost(node).alias("lost"), (self._lost_in_place(node) / pl.col("n")).alias("lost_in_place"))
        alike = self.alike.with_columns(*lost).join(groups, on=[*recoded, SCHOOL])
        return self.students.join(
            alike.select(*self._own, "class", "is_kept", "is_shown", "lost", "lost_in_place"), on=self._own
        )

    def _share(self, lost: pl.DataFrame) -> float:
        # the order of a sum of many numbers shows in the last digits, and must not decide between two nodes
        return round(float(lost.item()) / max(self.cells, 1), DIGITS)

    def _none_or_k_left_out(self, groups: pl.DataFrame, slots: Sequence[str]) -> pl.DataFrame:
        """Leave out more, the smallest classes first, until nobody who is left out can be told from the whole.

        How many reached each level is published for all students of a state; less those of the extract it leaves those
        who were left out. So in each slot there are none of them, or k with two achievement levels.
        """
        while slots:
            out = groups.filter(~pl.col("is_kept"))
            counts = out.join(self.slots_of_shape, on=SHAPE).group_by(SLOT).agg(pl.col("n").sum())
            levels = out.select(spread(slots)).to_dicts()[0]
            thin = {
                slot
                for slot, n in counts.iter_rows()
                if n < self.k or levels[f"{LEAST}.{slot}"] == levels[f"{MOST}.{slot}"] is not None
            }
            of_thin = self.slots_of_shape.filter(pl.col(SLOT).is_in(thin)).select(SHAPE).unique()
            kept = groups.filter("is_kept").join(of_thin, on=SHAPE, how="semi")
            if kept.is_empty():
                break
            smallest = kept.group_by("class").agg(pl.col("n").sum()).sort("n", "class")["class"][0]
            groups = groups.with_columns(pl.col("is_kept") & (pl.col("class") != smallest))
        return groups

    @property
    def _own(self) -> list[str]:
        return [SHAPE, SCHOOL, *(hierarchy.element for hierarchy in self.hierarchies)]

    def risks_before(self) -> Risks:
        """The risks if nothing were recoded and nobody left out."""
        alike = self.students.select(self._own)
        return risks(alike, self._own)

    def _recoded(self, node: Node) -> list[str]:
        return [SHAPE, *(f"{h.element}.{level}" for h, level in zip(self.hierarchies, node, strict=True))]

    def _lost(self, node: Node) -> pl.Expr:
        """What the characteristics of one student lose over all scores."""
        of_characteristics = node[:-1] if self.place else node
        named = zip(self.hierarchies, of_characteristics, strict=False)
        return pl.sum_horizontal(pl.lit(0.0), *(f"{h.element}.{level}.loss" for h, level in named))

    def _lost_in_place(self, node: Node) -> pl.Expr:
        """What school and teacher of the students of a row lose over all scores where they are not shown."""
        if not self.place:
            return pl.lit(0.0)
        teacher = pl.col("scores") * (self.shows_places and self.place.has_teacher)
        return pl.col("n") * pl.col(f"place.{node[-1]}.loss") + teacher

    def _students(self, scores: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """One row per student, with the values of each column over all scores as one text; and the slots of shapes."""
        told = [SHAPE, SCHOOL, *(hierarchy.element for hierarchy in self.hierarchies)]
        students = scores.group_by(STUDENT, maintain_order=True).agg(
            pl.len().alias("scores"),
            pl.col("rows").sum(),
            *(pl.col(name).fill_null("").str.join(SEP) for name in told),
        )
        levels = scores.select(STUDENT, SLOT, "level").pivot(
            on=SLOT, on_columns=self.slots, index=STUDENT, values="level"
        )
        ends = [pl.col(slot).alias(f"{end}.{slot}") for slot in self.slots for end in (LEAST, MOST)]
        students = students.join(levels.select(STUDENT, *ends), on=STUDENT)
        # numbers in the place of texts: classes are made anew for every node
        students = students.with_columns(pl.col(SHAPE, SCHOOL).rank("dense"))
        tested = students.unique(SHAPE).select(STUDENT, SHAPE).join(scores.select(STUDENT, SLOT), on=STUDENT)
        return students, tested.select(SHAPE, SLOT)

    def _levels(self, hierarchy: Hierarchy) -> pl.DataFrame:
        """Every trajectory of a characteristic, with what it becomes and loses on each level."""
        element = hierarchy.element
        found = self.students.select(pl.col(element).unique().sort())
        values = pl.col(element).str.split(SEP)
        for level, recoded in enumerate(hierarchy.levels):
            top = level == len(hierarchy.levels) - 1
            to = {"": "all" if top else "", **recoded}
            loss = {"": float(top), **hierarchy.loss(level)}
            became = values.list.eval(pl.element().replace_strict(to, return_dtype=pl.String)).list.join(SEP)
            lost = values.list.eval(pl.element().replace_strict(loss, return_dtype=pl.Float64)).list.sum()
            found = found.with_columns(
                became.rank("dense").alias(f"{element}.{level}"), lost.alias(f"{element}.{level}.loss")
            )
        return found
