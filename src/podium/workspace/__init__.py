"""A store with everything in it: the workspace, its runs, the facts about them."""
