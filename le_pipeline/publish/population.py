"""A population to be recoded: what any node of the lattice leaves out, shows and loses.

Students alike in everything before recoding are counted together first, so that judging a node does not grow with the
number of students; and most nodes are told from the best one by a bound that needs no classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from le_pipeline.publish.anonymity import Risks, risks
from le_pipeline.publish.hierarchy import Hierarchy
from le_pipeline.publish.lattice import Node
from le_pipeline.publish.showing import LEAST, MOST, diverse, may_be_shown, spread
from le_pipeline.publish.trajectory import SCHOOL, SHAPE, SLOT, recoded, slots_of_shapes, students

DIGITS = 12


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
        self.rules = rules
        self.place = place
        self.hierarchies = [*hierarchies, *([place.hierarchy] if place else [])]
        self.heights = tuple(len(hierarchy.levels) - 1 for hierarchy in self.hierarchies)
        self.slots = sorted(scores[SLOT].unique())
        self.students = students(scores, [hierarchy.element for hierarchy in self.hierarchies])
        self.slots_of_shapes = slots_of_shapes(self.students, scores)
        self.rows = int(self.students["rows"].sum())
        self.characteristics = len(hierarchies)
        if place:
            self.characteristics += 1 + (self.shows_places and place.has_teacher)
        # cells of all scores that recoding may touch
        self.cells = max(int(self.students["scores"].sum()) * self.characteristics, 1)
        self._own = [SHAPE, SCHOOL, *(hierarchy.element for hierarchy in self.hierarchies)]
        self._alike = self._count_alike()
        self._latest: tuple[object, pl.DataFrame] | None = None

    @property
    def shows_places(self) -> bool:
        """Whether school or teachers are shown of anybody."""
        return self.place is not None and self.place.is_shown_where_safe

    @property
    def nodes(self) -> int:
        """Nodes of the lattice."""
        return math.prod(height + 1 for height in self.heights)

    def bound(self, node: Node) -> float:
        """What the node loses where nobody is suppressed and every school is shown; no coarser node loses less."""
        return self._share(self._alike, pl.col("n") * self._lost(node))

    def judge(self, node: Node, below: float = math.inf) -> float | None:
        """The node's loss, from 0 to 1; None where it is not below that, or does not keep the rules.

        What takes longest comes last: a bound, then classes, then achievement levels. Each only adds to the loss.
        """
        if not self._may_be_better(node, below):
            return None
        loss = None
        for slots in ([], self.slots):
            groups = self.groups(node, slots)
            loss = self.loss(groups)
            if loss >= below or not self._keeps_rules(groups):
                return None
        return loss

    def suppressed(self, groups: pl.DataFrame) -> float:
        """Share of the rows whose students are not kept."""
        return int(groups.filter(~pl.col("is_kept"))["rows"].sum()) / self.rows

    def shown(self, groups: pl.DataFrame) -> float:
        """Share of the rows of whose students school and teachers are shown."""
        return int(groups.filter("is_shown")["rows"].sum()) / self.rows

    def loss(self, groups: pl.DataFrame) -> float:
        """The mean loss of all cells, those of suppressed students included, which lose everything.

        A school that is shown loses nothing, and neither do its teachers; of everyone else the teacher is lost whole.
        """
        of_place = pl.when("is_shown").then(0).otherwise(pl.col("lost_in_place"))
        of_kept = pl.col("lost") + of_place
        return self._share(groups, pl.when("is_kept").then(of_kept).otherwise(self.characteristics * pl.col("scores")))

    def groups(self, node: Node, slots: Sequence[str]) -> pl.DataFrame:
        """Students of one recoded trajectory (`class`) and true path of schools (`school`), counted.

        Args:
            node: the level of each hierarchy.
            slots: the school years and subjects in which two achievement levels are asked for.

        Returns:
            A row for each, with `n` students, their `rows` and `scores`, whether they are kept (`is_kept`), whether
            their school and teachers are shown (`is_shown`), and what their cells lose.
        """
        alike = self._recoded(node)
        groups = self._counted(node, slots).with_columns(self._lost_in_place(node).alias("lost_in_place"))
        classes = groups.group_by(alike).agg(pl.col("n").sum().alias("together"), *spread(slots))
        is_kept = (pl.col("together") >= self.rules.k) & diverse(slots)
        classes = classes.sort(alike).select(*alike, is_kept.alias("is_kept")).with_row_index("class")
        groups = self._none_or_k_left_out(groups.join(classes, on=alike), slots)
        groups = groups.with_columns((~pl.col("is_kept")).alias("is_barred"))
        if not self.shows_places:
            return groups.with_columns(pl.lit(value=False).alias("is_shown"))
        return may_be_shown(groups, self.rules.k, slots)

    def assigned(self, node: Node) -> pl.DataFrame:
        """Every student with their `class`, true path of schools, `is_kept`, `is_shown` and what their cells lose."""
        alike = self._recoded(node)
        groups = self.groups(node, self.slots).select(*alike, SCHOOL, "class", "is_kept", "is_shown")
        per_student = self._alike.with_columns(
            self._lost(node).alias("lost"), (self._lost_in_place(node) / pl.col("n")).alias("lost_in_place")
        ).join(groups, on=[*alike, SCHOOL])
        told = ("class", "is_kept", "is_shown", "lost", "lost_in_place")
        return self.students.join(per_student.select(*self._own, *told), on=self._own)

    def risks_before(self) -> Risks:
        """The risks if nothing were recoded and nobody left out."""
        return risks(self.students.select(self._own), self._own)

    def _count_alike(self) -> pl.DataFrame:
        """Students alike in everything: `n` of them, with what they become, and lose, on each level."""
        counted = self.students.group_by(self._own).agg(
            pl.len().alias("n"), pl.col("rows", "scores").sum(), *spread(self.slots)
        )
        for hierarchy in self.hierarchies:
            counted = counted.join(recoded(self.students, hierarchy), on=hierarchy.element)
        return counted

    def _counted(self, node: Node, slots: Sequence[str]) -> pl.DataFrame:
        """Students alike in recoded characteristics and true path of schools; the same for nodes that differ in place.

        Such nodes have one bound, so they are judged one after the other, and the latest count is enough to keep.
        """
        characteristics = self._recoded(node)[: len(node) if self.place else None]
        key = (characteristics, tuple(slots))
        if self._latest is None or self._latest[0] != key:
            # the true path of schools tells the place on every level
            levels = range(self.heights[-1] + 1) if self.place else ()
            places = [f"place.{level}{end}" for level in levels for end in ("", ".loss")]
            counted = self._alike.group_by([*characteristics, SCHOOL]).agg(
                pl.col("n", "rows", "scores").sum(),
                (pl.col("n") * self._lost(node)).sum().alias("lost"),
                *(pl.col(name).first() for name in places),
                *spread(slots),
            )
            self._latest = (key, counted)
        return self._latest[1]

    def _may_be_better(self, node: Node, below: float) -> bool:
        """Whether the node could lose less, and keep the rules, if nobody were left out and every group of k shown."""
        counted = self._counted(node, [])
        may_show = (pl.col("n") >= self.rules.k) & self.shows_places
        least = self._share(counted, pl.col("lost") + pl.when(may_show).then(0).otherwise(self._lost_in_place(node)))
        most_shown = int(counted.filter(may_show)["rows"].sum()) / self.rows
        return least < below and (not self.shows_places or most_shown >= self.rules.least_shown)

    def _keeps_rules(self, groups: pl.DataFrame) -> bool:
        """Whether few enough rows are left out, and enough show school and teachers."""
        return self.suppressed(groups) <= self.rules.max_suppressed and (
            not self.shows_places or self.shown(groups) >= self.rules.least_shown
        )

    def _none_or_k_left_out(self, groups: pl.DataFrame, slots: Sequence[str]) -> pl.DataFrame:
        """Leave out more, the smallest classes first, until nobody who is left out can be told from the whole.

        How many reached each level is published for all students of a state; less those of the extract it leaves those
        who were left out. So in each slot there are none of them, or k with two achievement levels.
        """
        while slots:
            thin = self._thin(groups.filter(~pl.col("is_kept")), slots)
            of_thin = self.slots_of_shapes.filter(pl.col(SLOT).is_in(thin)).select(SHAPE).unique()
            kept = groups.filter("is_kept").join(of_thin, on=SHAPE, how="semi")
            if kept.is_empty():
                break
            smallest = kept.group_by("class").agg(pl.col("n").sum()).sort("n", "class")["class"][0]
            groups = groups.with_columns(pl.col("is_kept") & (pl.col("class") != smallest))
        return groups

    def _thin(self, out: pl.DataFrame, slots: Sequence[str]) -> list[str]:
        """The slots in which some are left out, but fewer than k or of one achievement level."""
        counts = out.join(self.slots_of_shapes, on=SHAPE).group_by(SLOT).agg(pl.col("n").sum())
        levels = out.select(spread(slots)).to_dicts()[0]
        return [
            slot
            for slot, n in counts.iter_rows()
            if n < self.rules.k or levels[f"{LEAST}.{slot}"] == levels[f"{MOST}.{slot}"] is not None
        ]

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

    def _share(self, counted: pl.DataFrame, lost: pl.Expr) -> float:
        """The sum of what is lost, as a share of all cells.

        The order of a sum of many numbers shows in its last digits, which must not decide between two nodes.
        """
        return round(float(counted.select(lost.sum()).item()) / self.cells, DIGITS)
