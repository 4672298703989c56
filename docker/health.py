"""Ends with 0 where the service of this container answers, and with 1 where it does not."""

import os
import sys
import urllib.request

ADDRESS = f"http://127.0.0.1:{os.environ.get('MASKFOLD_PORT', '8000')}/healthz"

try:
    with urllib.request.urlopen(ADDRESS, timeout=4) as answer:
        sys.exit(answer.status != 200)
except OSError as error:
    sys.exit(f"{ADDRESS}: {error}")
