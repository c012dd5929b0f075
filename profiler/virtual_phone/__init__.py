"""A phone for those who have none: an adb device daemon, and behind it a phone in which the Linux runner really runs.

``protocol``, ``daemon``, ``stream`` and the ``*_service`` modules are what the real adb talks to. ``handset`` is the phone: its
folders, its properties, its processes. ``faults`` names what either can be ordered to do wrong. What is measured here is
measured on the machine underneath; its rows say ``device_kind=virtual``.
"""
