"""The research extract: one partition per agreement in `LE_HOME/extract_agreements/`.

It is in no schedule and in no job but its own: an extract is an act of disclosure, which somebody has to decide.
"""

import dagster as dg

from assets.automation import EXTRACT
from assets.columns import asset_key, column_schema, description
from assets.failures import told_plainly
from assets.partitions import AGREEMENTS
from assets.resources import HomeResource
from le_pipeline.privacy.vault import Vault
from le_pipeline.publish.extract import INPUTS, make
from schemas.extract_agreement import load_agreement
from schemas.registry import research_extract as contract

JOB = "research_extract"


@dg.asset(
    key=EXTRACT,
    deps=[asset_key(name) for name in INPUTS],
    description=description(contract()),
    group_name="publish",
    owners=["team:evaluation"],
    kinds={"parquet", "csv"},
    tags={"layer": "extract", "personal_data": "record_codes"},
    metadata={"dagster/column_schema": column_schema(contract())},
    partitions_def=AGREEMENTS,
)
def research_extract(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """De-identified records of students with their teachers, under the agreement of the partition."""
    place = home.home()
    with told_plainly():
        agreement = load_agreement(place.extract_agreements / f"{context.partition_key}.yaml")
        vault = Vault(place, home.loaded_keys()) if agreement.keep_codes else None
        made = make(place, agreement, vault)
    told, measures = made.manifest, made.measures
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": told["rows"],
            "path": str(made.folder),
            "students": measures.students,
            "k": measures.k,
            "rows_suppressed_share": told["rows_suppressed_share"],
            "rows_without_school_and_teacher_share": told["rows_without_school_and_teacher_share"],
            "prosecutor_risk": measures.risks.prosecutor,
            "average_risk": measures.risks.average,
            "uniqueness_before": measures.risks_before.uniqueness,
            "information_loss": told["information_loss"],
        }
    )


ASSETS = [research_extract]
research_extract_job = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(EXTRACT),
    partitions_def=AGREEMENTS,
    executor_def=dg.in_process_executor,
    description="The extract of one agreement. Start it by hand: it is an act of disclosure, and goes on the register.",
    tags={"pipeline": "le"},
)
