"""The part of bench/run that goes through a broker: starts mosquitto, measures, prints its table."""

import os
import random
import shutil
import socket
import statistics
import subprocess
import time

LABELS = (
    ("messages/s", "per_second", 1, "{:,.0f}"),
    ("latency p50, ms", "p50_us", 1e-3, "{:.1f}"),
    ("latency p99, ms", "p99_us", 1e-3, "{:.1f}"),
    ("subscriber's CPU, µs a message", "cpu_us", 1, "{:.1f}"),
    ("  its event loop", "cpu_loop_us", 1, "{:.1f}"),
    ("  its store", "cpu_others_us", 1, "{:.1f}"),
    ("mosquitto's CPU, µs a message", "broker_us", 1, "{:.1f}"),
    ("generator's CPU, µs a message", "generator_us", 1, "{:.1f}"),
)


def find_mosquitto():
    """It stands where only root's PATH looks. None: it is not installed."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")


class Broker:
    """A mosquitto that keeps nothing on disk and drops nothing."""

    def __init__(self, folder):
        self.port = random.SystemRandom().randrange(10_000, 30_000)
        self.address = f"127.0.0.1:{self.port}"
        config = os.path.join(folder, "mosquitto.conf")
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "persistence false", "log_type error",
                 "set_tcp_nodelay true", "max_queued_messages 0"]
        if os.geteuid() == 0:
            lines.append("user root")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self.log = os.path.join(folder, "mosquitto.log")
        with open(self.log, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen([find_mosquitto(), "-c", config], stderr=file)
        self._wait()

    def _wait(self):
        for _ in range(100):
            time.sleep(0.05)
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
        with open(self.log, encoding="utf-8") as file:
            raise SystemExit(f"mosquitto did not start on port {self.port}; try again: {file.read()}")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def measure(bench, broker, connections, count, number):
    """Once: {"mqtt": the gateway's line, "mqtt_bare": the bare subscriber's}."""
    lines = bench.load_tool("mqtt", "--db", bench.database, "--to", broker.address, "--pid", bench.gateway.pid,
                            "--broker-pid", broker.process.pid, "--format", "json", "--connections", connections,
                            "--count", count, "--prefix", bench.prefix(number, f"mqtt{connections}"))
    return {line["what"]: line for line in lines}


def print_table(results):
    """results: {connections: [repetition]}. The bare subscriber's column stands beside the gateway's."""
    columns = [(connections, what) for connections in results for what in ("mqtt", "mqtt_bare")]
    print()
    print("through mosquitto, QoS 1, a reading and its reply each, beside a bare subscriber")
    print(f"{'connections':34}" + "".join(f"{connections:>12}" for connections, _ in columns))
    print(f"{'':34}" + "".join(f"{'gateway' if what == 'mqtt' else 'bare':>12}" for _, what in columns))
    for label, name, scale, form in LABELS:
        values = [statistics.median(repetition[what][name] for repetition in results[connections]) * scale
                  for connections, what in columns]
        print(f"{label:34}" + "".join(f"{form.format(value):>12}" for value in values))
    ratios = [statistics.median(repetition["mqtt"]["per_second"] / repetition["mqtt_bare"]["per_second"]
                                for repetition in repetitions) for repetitions in results.values()]
    print(f"{'gateway / bare':34}" + "".join(f"{ratio:>12.3f}{'':12}" for ratio in ratios))
