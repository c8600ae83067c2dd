"""Agreement assets: what is due is destroyed before anything is read, and certified when the warehouse is made anew."""

import dagster as dg

from assets.automation import FRESH
from assets.failures import told_plainly
from assets.resources import HomeResource
from assets.warehouse import CURRENT
from le_pipeline import agreements, line

AGREEMENT, CERTIFICATE = dg.AssetKey(["agreement"]), dg.AssetKey(["certificate"])
OWNERS = ["team:data-engineering"]


@dg.asset(
    key=AGREEMENT,
    group_name="ingest",
    owners=OWNERS,
    kinds={"yaml"},
    tags={"personal_data": "none"},
    freshness_policy=FRESH,
    check_specs=[
        dg.AssetCheckSpec("every_folder_is_covered", asset=AGREEMENT, description="An agreement covers what has landed")
    ],
)
def agreement(home: HomeResource) -> dg.MaterializeResult:
    """Data sharing agreements, kept: what is past its last day is destroyed; vault files lie under their agreements."""
    with told_plainly():
        report = agreements.keep(home.home(), home.loaded_keys())
        none = agreements.undeclared(home.home())
    return dg.MaterializeResult(
        metadata={
            "unchanged": report.is_current,
            "destroyed": ", ".join(report.destroyed) or "none",
            "vault_files_resealed": report.resealed,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="every_folder_is_covered",
                passed=not none,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"no agreement covers {', '.join(map(str, none))}; declare one in LE_HOME/agreements"
                if none
                else None,
            )
        ],
    )


@dg.asset(
    key=CERTIFICATE,
    deps=[CURRENT],
    group_name="warehouse",
    owners=OWNERS,
    kinds={"json"},
    tags={"personal_data": "none"},
    freshness_policy=FRESH,
)
def certificate(home: HomeResource) -> dg.MaterializeResult:
    """Certificates of what was destroyed, written when tables and warehouse have been made anew without it."""
    with told_plainly():
        written = line.certify(home.home(), home.loaded_keys())
    return dg.MaterializeResult(metadata={"written": ", ".join(path.name for path in written) or "none"})


ASSETS = [agreement, certificate]
