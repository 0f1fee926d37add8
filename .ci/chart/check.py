"""Checks the chart: python3 .ci/chart/check.py PACKWRIGHT

The templates are rendered by Go's own engine, which Helm uses too, with several sets of values. The objects must be
YAML, name each other, and be as hardened as docs/installing.md says; the program itself checks its configuration file.
Exits with 3 where Go or PyYAML isn't installed. It doesn't replace `helm lint` and a cluster.
"""

import copy
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    sys.exit(3)

CHART = pathlib.Path("deploy/helm/packwright")
USABLE = {
    "publicHosts": ["packs.example.com", "packs.example.org"],
    "database": {"url": "postgres://packwright@postgres.example/packwright", "password": "pass: \"word\""},
}


def merged(below: dict, above: dict) -> dict:
    result = copy.deepcopy(below)
    for key, value in above.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


def rendered(values: dict, name: str = "packwright") -> subprocess.CompletedProcess:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    usual = yaml.safe_load((CHART / "values.yaml").read_text())
    # In Helm's templates the chart's fields have capitals.
    told = {key[0].upper() + key[1:]: value for key, value in chart.items()}
    release = {"Name": name, "Service": "Helm", "Namespace": "packs"}
    given = json.dumps({"Values": merged(usual, values), "Chart": told, "Release": release})
    command = ["go", "run", ".ci/chart/render.go", str(CHART / "templates")]
    return subprocess.run(command, input=given, capture_output=True, text=True)


def objects(values: dict, name: str = "packwright") -> dict:
    done = rendered(values, name)
    assert done.returncode == 0, done.stderr
    found = {}
    for file, text in json.loads(done.stdout).items():
        for thing in yaml.safe_load_all(text):
            if thing:
                assert thing["kind"] not in found, file
                found[thing["kind"]] = thing
    return found


def check_deployment(found: dict) -> None:
    spec = found["Deployment"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert found["Service"]["spec"]["selector"] == spec["selector"]["matchLabels"]
    assert found["PodDisruptionBudget"]["spec"]["selector"] == spec["selector"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["enableServiceLinks"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in found["Service"]["spec"]["ports"]} <= ports
    mounts, volumes = container["volumeMounts"], {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in mounts} == set(volumes)
    assert volumes["config"]["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]
    assert pod["terminationGracePeriodSeconds"] > 15


def check_config(found: dict, program: str) -> str:
    """Lets the program check its file and its variables. A mounted secret is a file of the same text here."""
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    with tempfile.TemporaryDirectory() as folder:
        file, secret = pathlib.Path(folder, "packwright.toml"), pathlib.Path(folder, "secret")
        file.write_text(found["ConfigMap"]["data"]["packwright.toml"])
        secret.write_text("a secret of many letters".replace(" ", "-"))
        variables = {"PATH": "/usr/bin:/bin"}
        for variable in container["env"]:
            name, value = variable["name"], variable["value"]
            if name.endswith("_FILE"):
                assert str(pathlib.Path(value).parent) in mounts, value
                value = str(secret)
            variables[name] = value
        command = [program, "config", "check", "--config", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, env=variables)
        assert done.returncode == 0, done.stderr
        assert "sets nothing" not in done.stderr, done.stderr
        return done.stdout


def monitored(settings: dict) -> dict:
    return {"settings": settings, "serviceMonitor": {"enabled": True, "tokenSecret": "scrape"}}


def main() -> None:
    if not shutil.which("go"):
        sys.exit(3)
    program = sys.argv[1]

    found = objects(USABLE)
    check_deployment(found)
    assert "Ingress" not in found and "ServiceMonitor" not in found
    secret = found["Secret"]
    assert secret["stringData"] == {"password": USABLE["database"]["password"]}
    volume = {v["name"]: v for v in found["Deployment"]["spec"]["template"]["spec"]["volumes"]}["password"]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert USABLE["database"]["password"] not in json.dumps(found["ConfigMap"])
    assert "public-host = packs.example.com,packs.example.org" in check_config(found, program)

    settings = {"max-cost": 1000000, "keep-alive": 0.5, "graphiql": True, "cors-origin": ["https://a.example"]}
    whole = merged(
        USABLE,
        {
            "settings": settings,
            "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "packs-tls"},
            "serviceMonitor": {"enabled": True, "tokenSecret": "scrape", "labels": {"release": "prometheus"}},
            "database": {"existingSecret": "postgres", "existingSecretKey": "pass"},
            "podAnnotations": {"a": "b"},
            "nodeSelector": {"disk": "ssd"},
        },
    )
    found = objects(whole, "prod")
    check_deployment(found)
    assert "Secret" not in found
    assert found["Deployment"]["metadata"]["name"] == "prod-packwright"
    printed = check_config(found, program)
    for line in ["max-cost = 1000000 ", "keep-alive = 0.5 ", "graphiql = true ", "cors-origin = https://a.example "]:
        assert line in printed, printed
    assert [rule["host"] for rule in found["Ingress"]["spec"]["rules"]] == USABLE["publicHosts"]
    assert int(found["Ingress"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > 15
    ports = {port["name"] for port in found["Service"]["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in found["ServiceMonitor"]["spec"]["endpoints"]} <= ports

    for missing, word in [
        ({"publicHosts": []}, "publicHosts"),
        ({"database": {"url": ""}}, "database.url"),
        ({"database": {"password": ""}}, "database.password"),
        ({"settings": {"listen": "1.2.3.4:5"}}, "settings.listen"),
        ({"serviceMonitor": {"enabled": True}}, "serviceMonitor.tokenSecret"),
        (monitored({"admin-listen": "0.0.0.0:9091"}), "settings.admin-listen"),
        (monitored({"admin-token-file": "/etc/own"}), "settings.admin-token-file"),
    ]:
        done = rendered(merged(USABLE, missing))
        assert done.returncode != 0 and word in done.stderr, (missing, done.stderr)

    for file in [pathlib.Path("compose.yaml"), CHART / "Chart.yaml", CHART / "values.yaml"]:
        assert yaml.safe_load(file.read_text()), file
    print("the chart renders to objects that fit together")


main()
