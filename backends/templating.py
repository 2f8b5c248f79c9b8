"""Source texts from a backend's templates, into which names go through a filter of the language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from n2uqc.frontend.escape import c_comment, line_comment


def render(folder: Path, template: str, context: dict[str, Any]) -> str:
    """A text from a template.

    Args:
        folder: of the templates.
        template: a file's name.
        context: what its names stand for; one that is missing is an error.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(c_comment=c_comment, line_comment=line_comment)
    return environment.get_template(template).render(context)
