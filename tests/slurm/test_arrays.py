"""More jobs of a rule than an array takes, on a real SLURM. About four minutes."""

import subprocess
import time

from runs import ROOT, TINY, check_gpus, command, jobs_of, keys_of, on_slurm, say

from nasdmrl.space.enumeration import networks_of

TASKS = 25  # an array of 20 and one of 5


def test_every_task_of_several_arrays_does_its_own_share(cluster, profile, tmp_path):
    config = TINY | {"prewarm": f"{{depth: 2, random_search: false, tasks: {TASKS}}}"}
    targets = [f"results/prewarm/dtd/part{number}.csv" for number in range(TASKS)]
    start = time.monotonic()
    subprocess.run(command(tmp_path, targets, *on_slurm(profile), config=config), check=True, cwd=ROOT)
    say(f"{TASKS} tasks of prewarm", tmp_path, start)
    jobs = jobs_of(tmp_path)
    assert {state for state, _, _ in jobs} == {"COMPLETED"}
    assert [rule for _, _, rule in jobs].count("prewarm_task") == TASKS
    check_gpus(jobs)
    assert len(keys_of(tmp_path)) == len(set(keys_of(tmp_path))) == len(list(networks_of("chain", 2, (16, 16, 3))))
