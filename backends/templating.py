"""Source texts from the templates of backends; names are escaped for the language of the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from n2uqc.frontend.escape import c_comment, line_comment, markdown


def render(folder: Path, template: str, context: dict[str, Any]) -> str:
    """Fill in a template.

    Args:
        folder: folder of the templates.
        template: file name of the template.
        context: values by name; a missing name is an error.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(c_comment=c_comment, line_comment=line_comment, markdown=markdown)
    return environment.get_template(template).render(context)
