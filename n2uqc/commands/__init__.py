"""The commands of ``n2uqc``, one file each: HELP, EXAMPLES, configure(parser), run(options).

Modules here import heavy things inside functions, so ``n2uqc --help`` stays quick.
"""

COMMANDS = (
    "inspect",
    "compile",
    "run",
    "profile",
    "simulate",
    "verify",
    "cost",
    "import_checkpoint",
)
