"""Print the shell commands of README.md's `sh` blocks, one a line."""

import re
from pathlib import Path

readme = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
for block in re.findall(r"^```sh\n(.*?)^```", readme, flags=re.M | re.S):
    for line in block.replace("\\\n", " ").splitlines():
        if line.strip():
            print(" ".join(line.split()))
