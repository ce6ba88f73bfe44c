# Copyright (c) SessionOps
# SPDX-License-Identifier: MPL-2.0

"""Starts sessions with boto3, and prints the results as one JSON object of strings.
The environment directs it to the endpoint."""

import json
import os
import sys
import urllib.request

import boto3
from botocore.exceptions import ClientError

ssm = boto3.client("ssm")
seen = {}


def control(path, value):
    request = urllib.request.Request(os.environ["FAKESSM_CONTROL_URL"] + path, data=json.dumps(value).encode())
    urllib.request.urlopen(request).close()


def error(words=False, **arguments):
    """Returns the code of an error, and its message if words is set. The call must fail."""
    try:
        ssm.start_session(**arguments)
    except ClientError as problem:
        found = problem.response["Error"]
        return (found["Code"] + " " + found.get("Message", "")) if words else found["Code"]
    return "no error"


target = "i-02573cafcfEXAMPLE"
started = ssm.start_session(
    Target=target, DocumentName="AWS-StartSSHSession", Parameters={"portNumber": ["2222"]}, Reason="CHG-7"
)
id = started["SessionId"]
here = "ws" + os.environ["AWS_ENDPOINT_URL_SSM"].removeprefix("http") + "/v1/data-channel/" + id + "?"
host = "this endpoint" if started["StreamUrl"].startswith(here) else "another host"
token = "a token" if started["TokenValue"] else "no token"
seen["started"] = f"{id.split('-')[0]}, {token}, a URL of {host}"
(session,) = ssm.describe_sessions(State="Active", Filters=[{"key": "SessionId", "value": id}])["Sessions"]
seen["described"] = " ".join(session[name] for name in ("Owner", "Target", "DocumentName", "Reason"))
control("/targets", {"i-1": False})
seen["a disconnected node"] = error(words=True, Target="i-1")
seen["no such document"] = error(Target=target, DocumentName="My-Document")
seen["no such parameter"] = error(Target=target, Parameters={"portNumber": ["22"]})
seen["a long reason"] = error(Target=target, Reason="x" * 257)
control("/faults", {"operation": "StartSession", "kind": "denied"})
seen["denied"] = error(Target=target)
control("/faults", {"operation": "StartSession", "kind": "throttle"})
seen["throttled for a while"] = ssm.start_session(Target=target)["SessionId"].split("-")[0]
ssm.terminate_session(SessionId=id)
(session,) = ssm.describe_sessions(State="History", Filters=[{"key": "SessionId", "value": id}])["Sessions"]
seen["ended"] = session["Status"]

json.dump(seen, sys.stdout)
