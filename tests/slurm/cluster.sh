#!/bin/bash
# A real SLURM of three nodes on this machine, for tests: two CPU nodes, one with two fake GPUs, accounting in MariaDB.
# Usage, as root on Debian or Ubuntu: cluster.sh install | start [FOLDER] | stop [FOLDER]. It writes to /etc/slurm, and stop
# removes that.
set -eu
command=$1
folder=${2:-${TMPDIR:-/tmp}/nasdmrl-slurm} # readable by all: the database runs as another user
here=$(cd "$(dirname "$0")" && pwd)
socket=/run/mysqld/mysqld.sock

install() {
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slurm-wlm slurmdbd munge mariadb-server
}

start_munge() {
  [ -s /etc/munge/munge.key ] || mungekey --create
  install_folder munge /run/munge
  install_folder munge "$folder/munge"
  munge --no-input > /dev/null 2>&1 || runuser -u munge -- /usr/sbin/munged --pid-file="$folder/munge/munged.pid"
}

install_folder() { mkdir -p "$2" && chown "$1" "$2" && chmod 755 "$2"; }

start_database() {
  install_folder mysql "$folder/mysql"
  install_folder mysql /run/mysqld
  printf '[mariadbd]\ndatadir=%s\nsocket=%s\npid-file=%s\nuser=mysql\nskip-networking\n' "$folder/mysql" "$socket" \
    "$folder/mysql/mariadbd.pid" > "$folder/my.cnf"
  mariadb-install-db --user=mysql --datadir="$folder/mysql" --auth-root-authentication-method=normal --skip-test-db \
    > "$folder/mysql.log" 2>&1
  mariadbd --defaults-file="$folder/my.cnf" >> "$folder/mysql.log" 2>&1 &
  wait_for mariadb-admin --socket="$socket" ping
  mariadb --socket="$socket" -e "create database slurm_acct_db; create user slurm@localhost identified by 'slurm';
    grant all on slurm_acct_db.* to slurm@localhost;"
}

start_slurm() {
  mkdir -p /etc/slurm "$folder/state"
  for gpu in 0 1; do [ -e "$folder/gpu$gpu" ] || mknod "$folder/gpu$gpu" c 1 3; done
  for file in slurm.conf slurmdbd.conf gres.conf; do
    sed "s|@FOLDER@|$folder|g; s|@HOST@|$(hostname -s)|g" "$here/$file" > "/etc/slurm/$file"
  done
  chmod 600 /etc/slurm/slurmdbd.conf
  slurmdbd
  wait_for sacctmgr -n list cluster
  sacctmgr -i add cluster test > /dev/null
  sacctmgr -i add account nasdmrl > /dev/null
  sacctmgr -i add user root Account=nasdmrl DefaultAccount=nasdmrl > /dev/null
  slurmctld
  for node in cpu1 cpu2 gpu1; do mkdir -p "$folder/spool/$node" && slurmd -N "$node"; done
  wait_for sh -c 'test "$(sinfo -h -N -t idle -o %N | sort -u | wc -l)" = 3'
}

wait_for() {
  for _ in $(seq 60); do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.5
  done
  echo "cluster.sh: \`$*\` did not succeed within 30 s; see the logs in $folder" >&2
  exit 1
}

stop() {
  if grep -qs "=$folder/" /etc/slurm/slurm.conf && timeout 5 scancel --user=root 2> /dev/null; then
    for _ in $(seq 20); do # until its steps have ended; a step outlives slurmd
      if [ -z "$(timeout 5 squeue --noheader 2> /dev/null)" ]; then break; fi
      sleep 0.5
    done
  fi
  for file in "$folder"/slurm*.pid "$folder/mysql/mariadbd.pid" "$folder/munge/munged.pid"; do
    if [ -s "$file" ]; then end "$(cat "$file")"; fi
  done
  rm -rf "$folder"
  # With them every start of Snakemake would wait nine seconds for the controller, which its plugin asks.
  if grep -qs "=$folder/" /etc/slurm/slurm.conf; then # ours
    rm -f /etc/slurm/slurm.conf /etc/slurm/slurmdbd.conf /etc/slurm/gres.conf
  fi
}

end() { # a process of ours, and wait until it is gone
  kill "$1" 2> /dev/null || return 0
  for _ in $(seq 20); do
    if ! kill -0 "$1" 2> /dev/null; then return 0; fi
    sleep 0.5
  done
  kill -9 "$1" 2> /dev/null || true
}

case $command in
  install) install ;;
  start)
    mkdir -p "$folder"
    start_munge
    start_database
    start_slurm
    sinfo
    ;;
  stop) stop ;;
  *)
    echo "usage: cluster.sh install | start [FOLDER] | stop [FOLDER]" >&2
    exit 2
    ;;
esac
