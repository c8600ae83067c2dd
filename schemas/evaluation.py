"""Settings of the evaluation, `LE_HOME/evaluation.yaml`: what is computed only where somebody asks for it."""

from __future__ import annotations

from pathlib import Path

from schemas import yaml_file
from schemas.yaml_file import Strict


class EvaluationSettings(Strict):
    """`student_growth_percentiles: true` fills linked.student_growth_percentile, which takes minutes for a state."""

    student_growth_percentiles: bool = False


def load_settings(path: Path) -> EvaluationSettings:
    """The settings of that file, or those that ask for nothing where there is no file.

    Raises:
        ContractError: the file does not fit; names file, line and key.
    """
    return yaml_file.load_model(path, EvaluationSettings)[0] if path.exists() else EvaluationSettings()
