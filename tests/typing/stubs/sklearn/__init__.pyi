# mypy: ignore-errors
# What the programs use of scikit-learn, which ships no types: so that strict mode speaks of podium alone.
