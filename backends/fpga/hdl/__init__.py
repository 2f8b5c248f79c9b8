"""The small hardware language in which each unit is written once.

words.py      numbers as wires, with their operators: shape and range of each are known
module.py     a module: registers, memories, tables of constants, instances of other modules
amaranth.py   a module becomes hardware description (RTL)
mapping.py    a module is counted: LUTs, flip-flops, carry cells, multiplier blocks, block RAMs
delay.py      a module is timed: the longest way from register to register

A unit is written against ``words`` and ``module`` alone, so that RTL, resources and clock come from
one description and can't disagree.
"""
