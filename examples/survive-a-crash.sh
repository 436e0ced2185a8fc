#!/bin/sh
# Run it in any git repository: the server is killed in the middle of a job, and the job does not notice.
set -eu
job=$(holdfast run -- sh -c 'for i in 1 2 3 4 5 6 7 8; do echo "step $i"; sleep 0.4; done; echo ok > result.txt')
holdfast logs -f "$job" | head -n 2               # it works: two lines are on the disk

server=$(holdfast server status --json | sed 's/.*"pid":\([0-9]*\).*/\1/')
kill -9 "$server"                                 # the crash
holdfast server start                             # the ordinary start is the recovery

holdfast recovery report                          # what was found and what was done: reattached
holdfast logs -f "$job"                           # every line, once
holdfast wait "$job"                              # exit code 0: it completed
holdfast diff "$job"                              # what it changed
