"""The search for values of the vault in every place below LE_HOME in which none may be.

`leaks` is all that others need. `words` says how texts are compared, `needles` what is searched, `rejected` what of it
comes from rejected rows, `dates` how days are written; `texts`, `tables` and `places` read what is searched, `search`
finds.
"""

from le_pipeline.privacy.scan.leaks import Leak, ScanReport, scan, was_clean

__all__ = ["Leak", "ScanReport", "scan", "was_clean"]
