"""Readers of what Android, Linux and meters write of a phone's battery, power and temperature, each file on its own.

They read one dump as it is: raw values, and beside them a unit and a sign where the dump itself leaves no doubt, with the
figures that told them. The rule for that is the one of :mod:`parsers.battery`. Energy is made only of recordings with
windows (:mod:`parsers.energy`), never here.
"""
