"""Complementary cell suppression: which cells must be hidden so that the protected ones cannot be worked out.

The problem and its exact solution are those of Fischetti and Salazar (Management Science 47(7), 2001): a cell is
protected if tables that agree with everything shown reach far enough above and below its value.
"""

from le_pipeline.publish.suppression.need import Against, Protection, people_alone
from le_pipeline.publish.suppression.suppress import UnprotectableError, mend, suppress

__all__ = ["Against", "Protection", "UnprotectableError", "mend", "people_alone", "suppress"]
