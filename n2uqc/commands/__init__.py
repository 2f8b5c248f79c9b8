"""The commands of ``n2uqc``, one file each: HELP, EXAMPLES, configure(parser), run(options).

Modules here import large packages inside functions, so that ``n2uqc --help`` is fast.
"""

COMMANDS = (
    "inspect",
    "compile",
    "run",
    "profile",
    "simulate",
    "verify",
    "evaluate",
    "cost",
    "models",
    "train",
    "sweep",
    "study",
    "convert",
    "import_checkpoint",
    "completion",
)
