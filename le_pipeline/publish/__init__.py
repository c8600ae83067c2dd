"""Stage: what leaves the house. Disclosure control over the marts, its audit, releases, and research extracts.

Belongs here: which figures may be shown, and writing what is shown. Does not belong here: making a figure (measure).
"""
