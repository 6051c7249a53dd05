"""Print a seccomp profile for the container: the runtime's own default, with two calls let through.

    python3 tools/seccomp.py [DEFAULT.json] > killsnoop-seccomp.json
    podman run --security-opt seccomp=killsnoop-seccomp.json ...

Podman's default profile allows bpf(2) and perf_event_open(2) only with CAP_SYS_ADMIN in Debian 12;
newer ones (and Docker's from 23 on) know that CAP_BPF and CAP_PERFMON are enough and need none
of this. Without an argument the profile of Debian's containers-common is read.
"""

import json
import sys

DEFAULT = "/usr/share/containers/seccomp.json"
ALLOWED = {"bpf": "CAP_BPF", "perf_event_open": "CAP_PERFMON"}


def main() -> None:
    path = sys.argv[1] if len(sys.argv) > 1 else DEFAULT
    with open(path, encoding="utf-8") as file:
        profile = json.load(file)
    rules = []
    for rule in profile["syscalls"]:
        # Out of the rules that there are: two that disagree about one call are no valid filter.
        names = [name for name in rule["names"] if name not in ALLOWED]
        if names:
            rules.append({**rule, "names": names})
    for name, capability in ALLOWED.items():
        rule = {"names": [name], "action": "SCMP_ACT_ALLOW", "includes": {"caps": [capability]}}
        rules.append(rule)
    profile["syscalls"] = rules
    json.dump(profile, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
