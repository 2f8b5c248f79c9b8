"""The small hardware language in which each unit is written once.

words.py      numbers as wires, with their operators: shape and range of each are known
module.py     a module: registers, memories, tables of constants, instances of other modules
amaranth.py   a module becomes hardware description (RTL)

A unit is written against ``words`` and ``module`` alone, so that what else is to be known of it,
its resources or its delay, can be read off the same description.
"""
