"""The data sets that can be searched on, one file each."""
