# Copyright (c) SessionOps
# SPDX-License-Identifier: MPL-2.0

"""Calls every operation of the endpoint with boto3, and prints the results as one
JSON object of strings. The environment directs it to the endpoint."""

import json
import os
import sys
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

connected, disconnected, iam_user, unknown = sys.argv[1:]
sts = boto3.client("sts")
ssm = boto3.client("ssm")
seen = {}


def inject(**fault):
    request = urllib.request.Request(
        os.environ["FAKESSM_CONTROL_URL"] + "/faults", data=json.dumps(fault).encode()
    )
    urllib.request.urlopen(request).close()


def ids(**arguments):
    """Returns the session IDs of a listing, with " / " between pages."""
    pages = ssm.get_paginator("describe_sessions").paginate(**arguments)
    return " / ".join(" ".join(s["SessionId"] for s in page["Sessions"]) for page in pages)


def error(call, **arguments):
    """Returns the code and message of an error. The call must fail."""
    try:
        call(**arguments)
    except ClientError as problem:
        code, message = problem.response["Error"]["Code"], problem.response["Error"].get("Message", "")
        if code in ("AccessDeniedException", "InvalidFilterKey"):
            return code  # The message is long, or not part of the API model.
        return (code + " " + message).strip()
    return "no error"


seen["identity"] = sts.get_caller_identity()["Arn"]
role = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/Operator", RoleSessionName="boto3")["Credentials"]
seen["role"] = boto3.client(
    "sts",
    aws_access_key_id=role["AccessKeyId"],
    aws_secret_access_key=role["SecretAccessKey"],
    aws_session_token=role["SessionToken"],
).get_caller_identity()["Arn"]

seen["pages of two"] = ids(State="Active", PaginationConfig={"PageSize": 2})
seen["default pages"] = ids(State="Active")
sessions = ssm.describe_sessions(State="History")["Sessions"]
seen["history"] = " ".join(s["SessionId"] for s in sessions)
seen["dates"] = str(all(s["EndDate"] >= s["StartDate"] and s["EndDate"].tzinfo is not None for s in sessions))
seen["of a target"] = ids(State="Active", Filters=[{"key": "Target", "value": "i-02573cafcfEXAMPLE"}])
seen["of an unknown ID"] = ids(State="Active", Filters=[{"key": "SessionId", "value": unknown}])

resumed = ssm.resume_session(SessionId=disconnected)
here = "ws" + os.environ["AWS_ENDPOINT_URL_SSM"].removeprefix("http") + "/v1/data-channel/" + disconnected + "?"
plus = "an unescaped plus" if "+" in resumed["StreamUrl"] else "no plus"
host = "this endpoint" if resumed["StreamUrl"].startswith(here) else "another host"
seen["resumed"] = f"a token of {len(resumed['TokenValue'])} characters, a URL with {plus} of {host}"
seen["connection"] = ssm.get_connection_status(Target="i-02573cafcfEXAMPLE")["Status"]
seen["resume unknown"] = error(ssm.resume_session, SessionId=unknown)
inject(operation="ResumeSession", kind="no-token")
seen["timed out"] = ssm.resume_session(SessionId=connected).get("TokenValue", "no token")

seen["terminated"] = ssm.terminate_session(SessionId=disconnected)["SessionId"]
seen["terminated again"] = error(ssm.terminate_session, SessionId=disconnected)
seen["resume ended"] = error(ssm.resume_session, SessionId=disconnected)
seen["terminate unknown"] = error(ssm.terminate_session, SessionId=unknown)
seen["no such filter"] = error(ssm.describe_sessions, State="Active", Filters=[{"key": "Nonsense", "value": "x"}])

inject(operation="TerminateSession", kind="denied")
seen["denied"] = error(ssm.terminate_session, SessionId=iam_user)
inject(operation="TerminateSession", kind="throttle")
seen["throttled for a while"] = ssm.terminate_session(SessionId=iam_user)["SessionId"]
inject(operation="GetConnectionStatus", kind="throttle", times=-1)
twice = boto3.client("ssm", config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
seen["throttled for too long"] = error(twice.get_connection_status, Target="i-02573cafcfEXAMPLE")
inject(operation="TerminateSession", kind="internal")
seen["a failure of the host"] = ssm.terminate_session(SessionId=connected)["SessionId"]

json.dump(seen, sys.stdout)
