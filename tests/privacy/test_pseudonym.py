"""Pseudonyms: the standard HMAC, one per person, domain and issuer."""

from __future__ import annotations

import hashlib
import hmac

import polars as pl
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st

from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import hmac_sha256, pseudonyms

KEYS = Keys(bytes(range(32)))
ids = st.lists(
    st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12), max_size=8
)


def keyed(*given_ids: str | None, domain: str = "student", issuer: str = "LA", keys: Keys = KEYS) -> list[str | None]:
    return pseudonyms(pl.Series(given_ids, dtype=pl.String), domain=domain, issuer=issuer, keys=keys).to_list()


def by_the_standard_library(id_: str, domain: str, issuer: str) -> str:
    canonical = pl.select(pl.lit(id_).str.strip_chars().str.to_uppercase()).item()
    message = f"1|{domain}|{issuer}|{canonical}".encode()
    return hmac.new(KEYS.derive(f"pseudonym|{domain}").hex().encode(), message, hashlib.sha256).hexdigest()[:32]


@settings(max_examples=50, deadline=None)
@given(ids, st.sampled_from(["student", "staff"]), st.sampled_from(["LA", "MO"]))
def test_every_pseudonym_is_what_the_standard_library_makes_in_the_order_of_the_ids(
    some: list[str | None], domain: str, issuer: str
) -> None:
    expected = [None if id_ is None else by_the_standard_library(id_, domain, issuer) for id_ in some]
    assert keyed(*some, domain=domain, issuer=issuer) == expected


# RFC 4231, section 4, HMAC-SHA-256, all test cases (the fifth is cut to 128 bits there, as pseudonyms are)
RFC_4231 = {
    1: (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    2: (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    3: (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    4: (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    5: (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    6: (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    7: (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be"
            b" hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
}


@pytest.mark.parametrize("case", RFC_4231)
def test_the_hmac_gives_the_answers_of_rfc_4231(case: int) -> None:
    key, message, digest = RFC_4231[case]
    assert hmac_sha256(pl.Series([message]), key).item()[: len(digest)] == digest


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_the_hmac_is_that_of_the_standard_library_whatever_the_key(key: bytes, messages: list[bytes]) -> None:
    assert hmac_sha256(pl.Series(messages, dtype=pl.Binary), key).to_list() == [
        hmac.new(key, message, hashlib.sha256).hexdigest() for message in messages
    ]


def test_a_hundred_thousand_ids_get_the_keys_that_the_standard_library_makes() -> None:
    some = [f"{place * 7919 % 10**8:08d}" for place in range(99_000)] + [f"Ñ-{place}ß" for place in range(1_000)]
    assert keyed(*some) == [by_the_standard_library(id_, "student", "LA") for id_ in some]


def test_keys_are_derived_by_hkdf_of_rfc_5869() -> None:
    extracted = hmac.new(bytes(32), KEYS.master, hashlib.sha256).digest()
    info = b"le_pipeline|1|pseudonym|student"
    assert KEYS.derive("pseudonym|student") == HKDFExpand(hashes.SHA256(), 32, info).derive(extracted)


def test_domains_issuers_and_keys_tell_the_same_id_apart() -> None:
    other = Keys(bytes(range(1, 33)))
    made = [
        keyed("7000001"),
        keyed("7000001", domain="staff"),
        keyed("7000001", issuer="MO"),
        keyed("7000001", keys=other),
        keyed("7000002"),
        keyed("07000001"),
    ]
    assert len({key for (key,) in made}) == len(made)


def test_case_and_outer_spaces_do_not_make_another_person_and_empty_stays_empty() -> None:
    first, second, third, nobody = keyed("ab-1", " AB-1", "Ab-1\u00a0", None)
    assert first == second == third
    assert nobody is None
    assert first is not None
    assert len(first) == 32


def test_neither_master_nor_derived_keys_show_in_a_repr() -> None:
    shown = f"{KEYS!r} {KEYS}"
    assert KEYS.master.hex() not in shown
    assert repr(KEYS.master) not in shown
    assert KEYS.key_id not in KEYS.master.hex()
