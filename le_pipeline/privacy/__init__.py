"""Foundation: keys, pseudonyms and the encrypted vault.

Belongs here: everything that touches key material, and the only code that writes a direct identifier to disk
(encrypted). Does not belong here: what a file or a table means.
"""
