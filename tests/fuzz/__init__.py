"""The fuzzing campaign: damaged files, random networks and programs, and hostile names.

    python -m tests.fuzz                 a few minutes of all kinds; `make fuzz` is the same
    python -m tests.fuzz --full          the counts that a release needs
    python -m tests.fuzz --again FOLDER  repeats a saved finding

kinds/        the kinds of input, one per file: how they are drawn from a seed and checked
draw/         random networks in ONNX operators, one group of operators per file
mutate/       damage of bytes, of ONNX graphs, of program text and of JSON
corpus.py     the files to damage: the zoo, the models of other tests, random networks
workers.py    processes with limits of time and memory that try inputs
judge.py      the definition of a fault, and of equal faults
shrink.py     reduction of a failing input
campaign.py   the numbers of inputs of each kind, and the findings
"""
