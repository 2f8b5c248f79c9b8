"""Source texts from the templates of backends; names are escaped for the language of the text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2uqc.frontend.escape import c_comment, c_string, line_comment, markdown

if TYPE_CHECKING:
    import jinja2

    from n2uqc.passes.program import IntType


def real_value(tensor_type: IntType) -> str:
    """Return what an integer of a scaled tensor stands for, as users of an artifact read it."""
    low, high = (f"{float(v):g}" for v in tensor_type.real_ends)
    return f"real value = integer * {tensor_type.scale}, {low} to {high}"


def render(folder: Path, template: str, context: dict[str, Any]) -> str:
    """Fill in a template.

    Args:
        folder: folder of the templates.
        template: file name of the template.
        context: values by name; a missing name is an error.
    """
    return str(_environment(folder).get_template(template).render(context))


@cache
def _environment(folder: Path) -> jinja2.Environment:
    """Return what reads a folder's templates, each of which it compiles once."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(
        c_comment=c_comment, c_string=c_string, line_comment=line_comment, markdown=markdown
    )
    return environment
