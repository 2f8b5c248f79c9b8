"""The campaign: damaged files, random networks and programs, hostile names, against everything.

    python -m tests.fuzz                 a few minutes of everything; `make fuzz` is the same
    python -m tests.fuzz --full          the counts that a release needs
    python -m tests.fuzz --again FOLDER  one saved finding once more

kinds/        what is tried: one kind of input a file, drawn from a seed, with the judgment of it
mutate/       damage of bytes, of ONNX graphs, of program text and of JSON
corpus.py     what is damaged: the zoo, the models of other tests, networks drawn here
workers.py    processes with limits of time and memory, which are told what to try
judge.py      what is a fault, and how two faults are told apart
shrink.py     a failing input made smaller while it fails in the same way
campaign.py   how much of each kind, the table at the end
"""
