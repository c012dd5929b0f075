"""Other people's published tables of phones' times, in their original form, as rows of origin ``imported``.

``tables`` lists the tables that are known and reads one from its file; a module per family of tables knows its form.
"""
