"""Foundation: keys, pseudonyms, the encrypted vault and its log.

Belongs here: everything that touches key material, and the only code that writes a direct identifier to disk
(encrypted). Does not belong here: what a file or a table means.
"""
