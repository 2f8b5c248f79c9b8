"""The Python interface: a function and a type of its result for each command.

Nothing here prints. A result says itself as JSON values (``to_json``), as text for any width
(``text``), and as HTML for notebooks; the commands read arguments and files, call these functions,
and print what they return. ``n2uqc/__init__.py`` lists what is public.
"""
