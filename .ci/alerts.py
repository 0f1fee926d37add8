"""Checks the dashboard, the alerts and a server's metrics with promtool: alerts.py PROMTOOL URL

Each expression of the dashboard becomes a rule, so that promtool reads it too.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

GRAFANA = pathlib.Path("docs/grafana")


def run(*command, **options):
    if subprocess.run(command, **options).returncode:
        sys.exit(f"{' '.join(map(str, command))} failed")


def expressions():
    for panel in json.loads((GRAFANA / "packwright.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"]
            for variable, value in (("$__rate_interval", "5m"), ("$job", ".*"), ("$instance", ".*")):
                text = text.replace(variable, value)
            yield text


def main(promtool, url):
    run(promtool, "check", "rules", GRAFANA / "alerts.yml")
    run(promtool, "test", "rules", ".ci/alerts_test.yml")
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions())]
    if len(rules) < 30:
        sys.exit(f"the dashboard has only {len(rules)} expressions")
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        # JSON is YAML.
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        run(promtool, "check", "rules", file.name)
    query = json.dumps({"query": "{ viewer { role } }"}).encode()
    headers = {"authorization": "Bearer demo-publisher-admin", "content-type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(f"{url}/graphql", query, headers)).read()
    metrics = urllib.request.urlopen(f"{url}/metrics").read()
    if b"packwright_ready 1" not in metrics:
        sys.exit("the metrics do not say that the demo is ready")
    run(promtool, "check", "metrics", input=metrics)


main(*sys.argv[1:])
