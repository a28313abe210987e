"""The metadata that Apache Kafka left, as `martlet cluster image` reads it: what Kafka's own answers say, field by field."""
import json
import os
import pathlib
import subprocess

import pytest

from conftest import BINARY, ROOT

GOLDEN = pathlib.Path(os.environ.get("MARTLET_GOLDEN", ROOT.parent / "shared/golden"))
TOPIC, BROKER, CLIENT_METRICS, GROUP = 2, 4, 16, 32


def unpacked(archive, folder):
    subprocess.run(["tar", "--zstd", "-xf", GOLDEN / f"{archive}.tar.zst", "-C", folder], check=True)


def image(folder):
    done = subprocess.run([str(BINARY), "cluster", "image", str(folder), "-o", "json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def configs(found, kind):
    return {entry["resourceName"]: entry["values"] for entry in found["configs"] if entry["resourceType"] == kind}


@pytest.fixture(params=["clean", "crashed"])
def both(request, tmp_path):
    """The image of a data folder, and what Kafka said that ran on it."""
    unpacked(f"data-{request.param}", tmp_path)
    suffix = "" if request.param == "clean" else "-crashed"
    admin = json.loads((GOLDEN / f"expected-admin{suffix}.json").read_text())
    offsets = json.loads((GOLDEN / f"expected-offsets{suffix}.json").read_text())
    return image(tmp_path / "data"), admin, offsets


def test_settings_are_those_that_kafka_tells(both):
    found, admin, _ = both
    topics = configs(found, TOPIC)
    assert {name: topics.get(name, {}) for name in admin["topicConfigs"]} == admin["topicConfigs"]
    assert set(topics) <= set(admin["topicConfigs"])
    assert configs(found, BROKER) == admin["brokerConfigs"]
    assert configs(found, CLIENT_METRICS) == admin["clientMetrics"]
    assert configs(found, GROUP) == admin["groupConfigs"]


def test_topics_have_the_ids_that_kafka_tells(both):
    found, _, offsets = both
    assert {topic["name"]: topic["id"] for topic in found["topics"]} == offsets["topicIds"]


def test_features_are_those_that_kafka_tells(both):
    found, admin, _ = both
    levels = dict(found["features"], **{"kraft.version": found["kraftVersion"]})
    assert levels == {feature["name"]: feature["maxVersionLevel"] for feature in admin["finalizedFeatures"]}
    assert [voter["id"] for voter in found["voters"]] == [1]


def test_rules_are_those_that_kafka_tells(both):
    found, admin, _ = both
    fields = ("principal", "host", "operation", "permissionType")
    told = {
        (group["resourceType"], group["resourceName"], group["patternType"], *(rule[field] for field in fields))
        for group in admin["acls"] for rule in group["acls"]}
    assert told == {
        (rule["resourceType"], rule["resourceName"], rule["patternType"], *(rule[field] for field in fields))
        for rule in found["acls"]}
    assert len(told) == len(found["acls"])


def test_credentials_are_those_that_kafka_tells_without_their_secrets(both):
    found, admin, _ = both
    told = {
        (user["user"], info["mechanism"], info["iterations"]) for user in admin["scram"] for info in user["credentialInfos"]}
    assert told == {(entry["user"], entry["mechanism"], entry["iterations"]) for entry in found["scram"]}
    assert all(set(entry) == {"user", "mechanism", "iterations"} for entry in found["scram"])


def test_quotas_are_those_that_kafka_tells(both):
    found, admin, _ = both

    def entity(parts):
        return frozenset((part["entityType"], part["entityName"]) for part in parts)

    told = {
        (entity(quota["entity"]), value["key"], value["value"]) for quota in admin["quotas"] for value in quota["values"]}
    assert told == {(entity(quota["entity"]), quota["key"], quota["value"]) for quota in found["clientQuotas"]}


def test_tokens_are_those_that_kafka_tells(both):
    found, admin, _ = both
    told = [{
        "tokenId": token["tokenId"], "owner": f"{token['principalType']}:{token['principalName']}",
        "requester": f"{token['tokenRequesterPrincipalType']}:{token['tokenRequesterPrincipalName']}",
        "renewers": [f"{renewer['principalType']}:{renewer['principalName']}" for renewer in token["renewers"]],
        "issueTimestamp": token["issueTimestamp"], "expirationTimestamp": token["expiryTimestamp"],
        "maxTimestamp": token["maxTimestamp"]} for token in admin["delegationTokens"]]
    assert told == found["delegationTokens"]


def test_the_metadata_of_a_cluster_is_read_whole(tmp_path):
    unpacked("metadata-cluster", tmp_path)
    (folder,) = tmp_path.rglob("__cluster_metadata-0")
    found = image(folder)
    assert found["snapshotEnd"] > 0 and found["endOffset"] > found["snapshotEnd"]
    assert len(found["brokers"]) >= 4 and len(found["voters"]) >= 3 and found["kraftVersion"] == 1
    known = {broker["id"] for broker in found["brokers"]}
    for topic in found["topics"]:
        for partition in topic["partitions"]:
            replicas = partition["replicas"]
            assert set(partition["isr"]) <= set(replicas) <= known and partition["leader"] in {*partition["isr"], -1}
            assert len(partition["directories"]) == len(replicas)
    assert all(set(entry) == {"user", "mechanism", "iterations"} for entry in found["scram"])


def test_a_folder_that_holds_no_metadata_is_told_of(tmp_path):
    done = subprocess.run([str(BINARY), "cluster", "image", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode != 0 and "no metadata log" in done.stderr
