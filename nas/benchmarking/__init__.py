"""Controllers side by side, on a table of a whole space or on a space with a function for accuracies."""
