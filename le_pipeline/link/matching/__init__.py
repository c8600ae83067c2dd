"""Which records are of one person, by what they say: a foundation of the link stage that knows no table and no file.

Belongs here: how names, dates and places are compared, how much an agreement says, and who follows from it. Frames in,
frames out. Does not belong here: where the records come from, what a person decides, what becomes of the pairs.
"""

from __future__ import annotations

from le_pipeline.link.matching.model import Matches, match, match_lists
from le_pipeline.link.matching.spelling import Kind

__all__ = ["Kind", "Matches", "match", "match_lists"]
