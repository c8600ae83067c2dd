"""The data request to a partner: what to send, why, and how, made from the contracts and layouts.

`markdown` writes the document, `workbook` the template to fill in, from the same `words`. No delivery is read here.
"""

from __future__ import annotations

from pathlib import Path

from le_pipeline.errors import HomeError
from le_pipeline.home import STATE_FOLDER, Home
from le_pipeline.request import markdown, workbook


def write_request(home: Home, state: str, folder: Path) -> list[Path]:
    """Write `data-request-<STATE>.md` and `.xlsx` into the folder, over earlier ones.

    Returns:
        The paths of both.

    Raises:
        HomeError: the state is no name of a landing folder, or the folder cannot be written.
        ContractError: a layout of the user's is wrong.
    """
    if not STATE_FOLDER.fullmatch(state):
        raise HomeError(f"{state!r} is not a state such as LA")
    contents = {"md": markdown.document(state, home.all_layouts()).encode(), "xlsx": workbook.template(state)}
    paths = {folder / f"data-request-{state}.{suffix}": content for suffix, content in contents.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in paths.items():
            path.write_bytes(content)
    except OSError as error:
        raise HomeError(f"cannot write to {folder}: {error.strerror}. Give another folder with --out") from None
    return list(paths)
