"""Prints where the Python that runs it is installed, as JSON. Run as a file, by any Python 3."""

import json
import site
import sys

if __name__ == "__main__":
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    if site.ENABLE_USER_SITE:
        prefixes.add(site.getusersitepackages())
    json.dump(sorted(prefixes), sys.stdout)
