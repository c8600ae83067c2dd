"""Pseudonyms: HMAC-SHA-256 over `version|domain|issuer|canonical id`, keyed per domain, cut to 128 bits."""

from __future__ import annotations

import hashlib
from typing import Any

import polars as pl
import polars_hash as plh

from le_pipeline.privacy.keys import Keys

VERSION = "1"
ISSUER = "issuer"  # column of the vault's identities: who gave the ids that the keys beside were made of
BLOCK_BYTES, PADS = 64, (0x36, 0x5C)  # of SHA-256 and of HMAC
HEX_DIGITS = 32  # 128 bits: for 10 million people the chance of any collision is below 1e-24


def canonical_id(text: pl.Expr) -> pl.Expr:
    """An id without outer spaces and in capitals; what differs only in these is one id (or one e-mail address)."""
    return text.str.strip_chars().str.to_uppercase()


def pseudonyms(ids: pl.Series, *, domain: str, issuer: str, keys: Keys) -> pl.Series:
    """The pseudonym of each id as 32 hexadecimal digits; empty stays empty.

    An id that stands in several rows running, as records of one person mostly do, is hashed once. Evaluated eagerly: a
    key in a LazyFrame would show in its serialised plan.
    """
    message = pl.lit(f"{VERSION}|{domain}|{issuer}|") + canonical_id(pl.col("id"))
    run = ids.rle_id()
    heads = pl.DataFrame({"id": ids.filter(run.ne_missing(run.shift())).cast(pl.String)})
    hashed = hmac_sha256(heads.select(message).to_series(), keys.derive(f"pseudonym|{domain}").hex().encode())
    return hashed.str.slice(0, HEX_DIGITS).rechunk().gather(run)


def hmac_sha256(messages: pl.Series, key: bytes) -> pl.Series:
    """HMAC-SHA-256 (RFC 2104) of each message, text or bytes, as 64 hexadecimal digits; empty stays empty."""
    message = plh.col("message")
    try:
        made = message.chash.hmac_sha256(key=key.decode())
    except UnicodeDecodeError:  # the native one takes text alone; derived keys go into it as hexadecimal digits
        whole = hashlib.sha256(key).digest() if len(key) > BLOCK_BYTES else key
        inner, outer = (pl.lit(bytes(byte ^ pad for byte in whole.ljust(BLOCK_BYTES, bytes(1)))) for pad in PADS)
        first: Any = inner + pl.col("message").cast(pl.Binary)
        second: Any = outer + first.chash.sha2_256().str.decode("hex")
        made = second.chash.sha2_256()
    return pl.DataFrame({"message": messages}).select(made).to_series()
