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

    Each distinct id is hashed once. Evaluated eagerly: a key in a LazyFrame would show in its serialised plan.
    """
    key = keys.derive(f"pseudonym|{domain}").hex()
    message = pl.format("{}|{}|{}|{}", pl.lit(VERSION), pl.lit(domain), pl.lit(issuer), canonical_id(pl.col("id")))
    distinct = pl.DataFrame({"id": ids.drop_nulls().unique()})
    hashed = distinct.with_columns(message.alias("message")).select(
        "id", plh.col("message").chash.hmac_sha256(key=key).str.slice(0, HEX_DIGITS).alias("key")
    )
    return pl.DataFrame({"id": ids}).join(hashed, on="id", how="left", maintain_order="left")["key"]
