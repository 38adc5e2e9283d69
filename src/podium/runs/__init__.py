"""Runs: append-only logs of events, and the pure fold that makes a run of them.

`layout` names the keys, `events` is the vocabulary and its bytes, `fold` makes a `RunState` of events, `Writer` writes
one log, `reader` finds and reads whole runs, `artifacts` keeps files. Knows stores; must never know models, the
registry, which run is current, or when a process ends.
"""
