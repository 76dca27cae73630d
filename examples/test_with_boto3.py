"""How to test a client of Session Manager with boto3, without AWS.

It needs boto3, and `ssmport` with its `session-manager-plugin` on the PATH:
python3 examples/test_with_boto3.py
"""

import json
import os
import shlex
import subprocess
import unittest

import boto3


class Endpoint:
    """`ssmport local` with more options, for as long as a `with` lasts."""

    def __init__(self, *options):
        self.command = ["ssmport", "local", "--quiet", "--json", *options]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())  # or it has failed, and said why
        self.node = self.ready["nodes"][0]
        user = self.ready["users"][0]
        self.keys = {
            "aws_access_key_id": user["access_key_id"],
            "aws_secret_access_key": user["secret_access_key"],
        }
        self.ssm = boto3.client(
            "ssm", endpoint_url=self.ready["url"], region_name=self.ready["region"], **self.keys
        )
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()

    def run(self, script):
        """Runs a script on the node: the service starts the session, and the plugin has it."""
        request = {
            "Target": self.node,
            "DocumentName": "AWS-StartNonInteractiveCommand",
            # The agent runs words, not a line of shell; only separate streams have an exit code.
            "Parameters": {
                "command": [shlex.join(["sh", "-c", script])],
                "separateOutputStream": ["True"],
            },
        }
        session = self.ssm.start_session(**request)
        del session["ResponseMetadata"]
        # As the AWS CLI does it: the token goes by a variable, where `ps` does not show it.
        variable = "AWS_SSM_START_SESSION_RESPONSE"
        keys = {name.upper(): value for name, value in self.keys.items()}
        environment = {**os.environ, **keys, variable: json.dumps(session)}
        region, url = self.ready["region"], self.ready["url"]
        plugin = ["session-manager-plugin", variable, region, "StartSession", ""]
        return subprocess.run(
            [*plugin, json.dumps(request), url],
            env={**environment, "SSMPORT_QUIET": "1", "SSMPORT_EXIT_CODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
        )


class Sessions(unittest.TestCase):
    def test_nodes_are_described(self):
        with Endpoint("--node", "i-0a11ce00000000001", "--node", "i-0b0b0000000000001") as endpoint:
            nodes = endpoint.ssm.describe_instance_information()["InstanceInformationList"]
        self.assertEqual([node["InstanceId"] for node in nodes], endpoint.ready["nodes"])

    def test_a_command_has_its_output_and_its_exit_code(self):
        with Endpoint() as endpoint:
            ran = endpoint.run("echo out; exit 7")
        self.assertEqual((ran.returncode, ran.stdout), (7, "out\n"))

    def test_a_connection_that_breaks_loses_nothing(self):
        with Endpoint("--faults", "cut=1s,seed=7") as endpoint:
            ran = endpoint.run("for i in 1 2 3; do echo $i; sleep 1; done")
        self.assertEqual((ran.returncode, ran.stdout.split()), (0, ["1", "2", "3"]))

    def test_a_node_that_is_not_there_is_an_error(self):
        with Endpoint() as endpoint:
            with self.assertRaises(endpoint.ssm.exceptions.TargetNotConnected):
                endpoint.ssm.start_session(Target="i-0fedcba9876543210")


if __name__ == "__main__":
    unittest.main()
