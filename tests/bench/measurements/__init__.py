"""What is measured, one module each. A measurement is a coroutine function `measure(field, scale)` that gives rows; it is called
by its module's name. `registry.py` has them in the order of the table.
"""
