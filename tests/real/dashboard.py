"""Reads a dashboard by Grafana's own library, writes it again, and prints the path of every key that is not the same."""

import json
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard


def lost(before, after, path=""):
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            # A key without a value may be left out.
            if value is not None:
                yield from lost(value, after.get(key), f"{path}/{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after)):
            yield from lost(one, other, f"{path}/{index}")
    elif before != after:
        yield path


plugins.register_default_plugins()
with open(sys.argv[1], encoding="utf-8") as file:
    original = json.load(file)
encoded = json.loads(JSONEncoder().encode(dashboard.Dashboard.from_json(original)))
for path in lost(original, encoded):
    print(path)
