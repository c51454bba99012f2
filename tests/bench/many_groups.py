"""What many small log groups cost: 10,000 groups with 100 events each against one group with the same events.

    python tests/bench/many_groups.py --bin target/release/logboom [--groups 10000] [--events 100]

Prints the CPU seconds of the server for each (creation apart, sealing and the stop included), its resident memory at
the end, and the files in the folder of log data; then deletes one group and reads its neighbour."""

import argparse
import http.client
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time

AUTH = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/logs/aws4_request, "
    "SignedHeaders=host, Signature=0000000000000000000000000000000000000000000000000000000000000000"
)


class Server:
    def __init__(self, binary, folder):
        self.data = os.path.join(folder, "data")
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", self.data]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = int(self.process.stdout.readline().strip().rsplit(":", 1)[1])
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def call(self, operation, **request):
        headers = {
            "Authorization": AUTH, "X-Amz-Target": f"Logs_20140328.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
        }
        self.connection.request("POST", "/", json.dumps(request), headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (operation, answer.status, body)
        return json.loads(body or "{}")

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self, name="VmRSS"):
        found = re.search(rf"{name}:\s+(\d+) kB", open(f"/proc/{self.process.pid}/status").read())
        return int(found[1]) / 1024

    def files(self):
        return sum(len(files) for _, _, files in os.walk(self.data))

    def stop(self):
        """Ends it in order; its CPU seconds in all."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def events(group, count, now):
    line = '{"level":"INFO","group":%d,"n":%d,"path":"/api/v1/orders/%d","msg":"order %d persisted"}'
    return [{"timestamp": now + n, "message": line % (group, n, group * n, n)} for n in range(count)]


def load(binary, groups, count, names):
    folder = tempfile.mkdtemp()
    server = Server(binary, folder)
    made = sorted({names(number) for number in range(groups)})
    for group, stream in made:
        if stream == "s0" or group != made[0][0]:
            server.call("CreateLogGroup", logGroupName=group)
        server.call("CreateLogStream", logGroupName=group, logStreamName=stream)
    created, now = server.cpu(), int(time.time() * 1000)
    for number in range(groups):
        group, stream = names(number)
        server.call("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=events(number, count, now))
    memory, peak = server.rss_mb(), server.rss_mb("VmHWM")
    spent = server.stop() - created
    files = server.files()
    return folder, spent, memory, peak, files


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default="target/release/logboom")
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=100)
    asked = parser.parse_args()
    one, one_cpu, *_ = load(asked.bin, asked.groups, asked.events, lambda number: ("one", "s0"))
    many, cpu, memory, peak, files = load(asked.bin, asked.groups, asked.events, lambda n: (f"g{n:05}", "s0"))
    print(f"one group: {one_cpu:.2f} CPU s; {asked.groups} groups: {cpu:.2f} CPU s, ratio {cpu / one_cpu:.2f}")
    print(f"resident {memory:.0f} MB (peak {peak:.0f}), {files} files after the stop")
    server = Server(asked.bin, many)
    try:
        server.call("DeleteLogGroup", logGroupName="g00001")
        for name, expected in (("g00000", asked.events), ("g00002", asked.events)):
            found = server.call("FilterLogEvents", logGroupName=name)["events"]
            assert len(found) == expected, (name, len(found))
        gone = server.call("DescribeLogGroups", logGroupNamePrefix="g00001")["logGroups"]
        print(f"one group deleted alone: {len(gone)} left of that name, its neighbours whole; "
              f"resident after a restart {server.rss_mb():.0f} MB")
    finally:
        server.stop()
        shutil.rmtree(one)
        shutil.rmtree(many)


if __name__ == "__main__":
    main()
