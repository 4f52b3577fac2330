"""Record what must stay while the package is rebuilt, and compare with it: `python -m scripts.oracle record | check`.

    compare   each key of the rows of `serlab compare --quick`, with its unit and its number of rows, but no value
    wire      the same of `serlab wire all --quick`, with the conditions of each experiment
    answers   tables, pages, decisions, records, verdicts and lists, made of stored folders and of the package itself
    commands  each command's help, and status and words for wrong inputs

`record` writes `recorded/KIND.txt`; `check` makes everything again and prints each difference, with status 1 if there
is one. `--only KIND,…` does a part. serlab is used through its command alone, so that nothing here moves with it.

A name that changes stands in `names.toml` (old = new, one to one); a difference that is wanted stands in `wanted.toml`
with its reason. What differs from run to run and is therefore taken out of the record is in `normal.py` and nowhere
else. Of tables the CSV is kept in full, unless it is very long; of all else there are digests of the lines.

    stored, wire          notebooks/stored, as it is published
    folders/paired        made-up times of two environments, measured in pairs
    folders/old, new      made-up runs, for diff and gate
    folders/stopped       the journal of a run that was stopped before its end
"""
