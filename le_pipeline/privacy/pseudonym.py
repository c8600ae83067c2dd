"""Pseudonyms: HMAC-SHA-256 over `version|domain|issuer|canonical id`, keyed per domain, cut to 128 bits."""

from __future__ import annotations

import polars as pl
import polars_hash as plh

from le_pipeline.privacy.keys import Keys

VERSION = "1"
HEX_DIGITS = 32  # 128 bits: for 10 million people the chance of any collision is below 1e-24


def canonical_id(text: pl.Expr) -> pl.Expr:
    """An id without outer spaces and in capitals; what differs only in these is one id (or one e-mail address)."""
    return text.str.strip_chars().str.to_uppercase()


def pseudonyms(ids: pl.Series, *, domain: str, issuer: str, keys: Keys) -> pl.Series:
    """The pseudonym of each id as 32 hexadecimal digits; empty stays empty.

    An id that stands in several rows running, as records of one person mostly do, is hashed once. Evaluated eagerly: a
    key in a LazyFrame would show in its serialised plan.
    """
    key = keys.derive(f"pseudonym|{domain}").hex()
    message = pl.lit(f"{VERSION}|{domain}|{issuer}|") + canonical_id(pl.col("id"))
    run = ids.rle_id()
    heads = pl.DataFrame({"id": ids.filter(run.ne_missing(run.shift())).cast(pl.String)})
    hashed = heads.select(message.alias("message")).select(
        plh.col("message").chash.hmac_sha256(key=key).str.slice(0, HEX_DIGITS)
    )
    return hashed.to_series().rechunk().gather(run)
