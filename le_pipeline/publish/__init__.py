"""Stage: what leaves the organisation, and how it is made safe to leave.

Belongs here: disclosure control of published tables and its audit, releases, and the de-identified research extract.
Whatever is handed out is written beside, swapped in, and never changed afterwards. Does not belong here: what a figure
is (measure), who a person is (link), or any value of the vault.
"""
