"""The whole workflow at the quick scale on a real SLURM. About a quarter of an hour on two cores."""

import re
import subprocess
import time

from runs import ROOT, check_gpus, command, jobs_of, on_slurm, say


def test_quick_scale_from_archives_to_report(cluster, profile, tmp_path):
    dry = subprocess.run(
        command(tmp_path, ["all", "-n"], config={}), check=True, cwd=ROOT, capture_output=True, text=True
    )
    planned = dict(re.findall(r"^(\w+)\s+(\d+)$", dry.stdout.split("Job stats:")[1].split("total")[0], re.MULTILINE))
    del planned["all"]  # has nothing to run
    start = time.monotonic()
    subprocess.run(command(tmp_path, ["all"], *on_slurm(profile), config={}), check=True, cwd=ROOT)
    say("quick scale", tmp_path, start)
    jobs = jobs_of(tmp_path)
    assert {state for state, _, _ in jobs} == {"COMPLETED"}
    ran = [rule for _, _, rule in jobs]
    assert {rule: str(ran.count(rule)) for rule in set(ran)} == planned
    check_gpus(jobs)
    assert (tmp_path / "results/report.html").stat().st_size > 100_000
