"""Reads lines of `name TAB version TAB hex` from stdin, decodes and encodes each message with kafka-python, and prints
what differs. The last line says how many messages were compared and how many kafka-python has no schema for."""

import importlib
import pkgutil
import sys

import kafka.protocol
from kafka.protocol.api_message import ApiMessage


def classes():
    found = {}
    for module in pkgutil.walk_packages(kafka.protocol.__path__, "kafka.protocol."):
        if ".old" in module.name or "generate" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and issubclass(value, ApiMessage) and value is not ApiMessage:
                found[name] = value
    return found


def compare(cls, version, data):
    # Not cls.decode: ApiVersionsResponse overrides it to read every error in version 0.
    message = ApiMessage.decode.__func__(cls, data, version=version)
    message._header = None  # decoding without a header leaves it unset, and encoding looks at it
    encoded = bytes(message.encode(version=version))
    if encoded != data:
        return f"{encoded.hex()} instead of {data.hex()}"
    return None


def main():
    known = classes()
    compared, unknown = 0, 0
    for line in sys.stdin:
        name, version, data = line.rstrip("\n").split("\t")
        cls, version = known.get(name), int(version)
        if cls is None or not cls.min_version <= version <= cls.max_version:
            unknown += 1
            continue
        compared += 1
        try:
            problem = compare(cls, version, bytes.fromhex(data))
        except Exception as error:  # noqa: BLE001: whatever it is, the messages differ
            problem = repr(error)
        if problem:
            print(f"{name} v{version}: {problem}")
    print(f"compared {compared} unknown {unknown}")


main()
