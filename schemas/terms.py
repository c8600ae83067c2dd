"""What every agreement about data says, whether they come in under it or go out.

`agreement` has the format of those under which partners' data are held, `extract_agreement` of those under which
research extracts leave.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from schemas.yaml_file import Strict

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")]  # also that of a file or folder
State = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,15}$")]


class Terms(Strict):
    """Name, purpose, legal basis and time of an agreement, and who answers for it on the other side."""

    agreement: Name
    about: Text
    legal_basis: Text
    purpose: Text
    contact: Text
    begins: datetime.date
    destroy_by: datetime.date

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.destroy_by <= self.begins:
            raise ValueError("destroy_by: must be later than begins")
        return self
