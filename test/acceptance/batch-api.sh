#!/usr/bin/env bash
# The batch API as one of its clients sees it: nothing but curl and jq, and a server that is killed (SIGKILL) in the middle
# of everything. Prints what it saw before / kill / after / restart / end, part by part; ends with 1 at the first thing
# that is not as promised.
#
#   test/acceptance/batch-api.sh [output|queue|lock]…
#
# It starts servers of its own in a home below a temp directory: HOLDFAST is the command (default: bin/holdfast of this
# checkout, an installed one is node_modules/.bin/holdfast), TLS=1 serves https with a certificate made for the occasion.
#
# Against a server that runs already and has no other work (a limit of three agents or more for the part "lock"):
#   BASE_URL        its address
#   SERVER_HOME     where its files are
#   SERVER_PID      whom to kill (default: as its server.json says)
#   START_COMMAND   starts it again at the same address (default: $HOLDFAST server start with that home, host and port)
#   BATCH_USER, BATCH_PASSWORD   an account it has (default: one is made with $HOLDFAST token create)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
holdfast=${HOLDFAST:-$here/../../bin/holdfast}
theirs=${BASE_URL:+yes}
user=${BATCH_USER:-client-$$}
password=${BATCH_PASSWORD:-a password of nobody}
for tool in curl jq cmp mkfifo git; do
  command -v "$tool" >/dev/null || {
    echo "batch-api.sh: $tool is not installed; scripts/install-test-tools.sh brings what the tests need" >&2
    exit 2
  }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-batch-XXXXXX")
home=${SERVER_HOME:-}
base=${BASE_URL:-}
base=${base%/}
if [ -n "$theirs" ] && [ ! -f "$home/server.json" ]; then
  echo 'batch-api.sh: BASE_URL needs SERVER_HOME, the home of that server, which holds its server.json' >&2
  exit 2
fi
server=
token=
curl_trust=()

# ---- words -----------------------------------------------------------------------------------------------------------

part() { printf '\n== %s\n' "$*"; }
say() { printf '%-8s %s\n' "$1:" "$2"; }
fail() {
  printf 'FAILED:  %s\n' "$*" >&2
  [ -f "$work/server.log" ] && tail -n 20 "$work/server.log" >&2
  exit 1
}
expect() { # what it is, what it should be, what that means
  [ "$1" = "$2" ] || fail "$3: it is \"$1\", not \"$2\""
}

# ---- the API ---------------------------------------------------------------------------------------------------------

# METHOD PATH [JSON]: prints the body; fails with it when the status is not 2xx.
call() {
  local method=$1 path=$2 status
  shift 2
  local data=()
  [ $# -eq 0 ] || data=(--header 'content-type: application/json' --data-binary "$1")
  status=$(curl --silent --show-error --max-time 30 "${curl_trust[@]}" --request "$method" \
    --header "authorization: Bearer $token" "${data[@]}" --output "$work/answer" --write-out '%{http_code}' "$base$path") ||
    return 1
  case $status in
    2*) cat "$work/answer" ;;
    *)
      echo "$method $path answered $status: $(cat "$work/answer")" >&2
      return 1
      ;;
  esac
}

# PATH FILTER: one value of an answer.
value() { call GET "$1" | jq --raw-output "$2"; }

# SECONDS WHAT COMMAND…: until the command succeeds.
wait_until() {
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@"; do
    [ $SECONDS -lt $end ] || fail "waited $seconds s in vain: $what"
    sleep 0.1
  done
}

log_in() {
  token=
  token=$(call POST /auth/login "$(jq --null-input --arg u "$user" --arg p "$password" '{username: $u, password: $p}')" |
    jq --exit-status --raw-output .token) || fail 'the login was refused'
}

register() { # name path
  call POST /repositories/register "$(jq --null-input --arg n "$1" --arg u "$2" '{name: $n, gitUrl: $u}')" >/dev/null
  wait_until 30 "$1 is cloned" is_cloned "$1"
}
is_cloned() {
  [ "$(value /repositories ".repositories[] | select(.name == \"$1\") | .cloneStatus")" = ready ]
}

create() { # repository scenario → id; it must stay out of the queue
  local answer
  answer=$(call POST /jobs "$(jq --null-input --arg r "$1" --arg p "$2" \
    '{prompt: $p, repository: $r, options: {agentEngine: "scripted"}}')")
  expect "$(jq --raw-output .status <<<"$answer")" created 'a new job' >&2
  jq --exit-status --raw-output .jobId <<<"$answer"
}
upload() { # job file
  curl --silent --show-error --fail-with-body --max-time 30 "${curl_trust[@]}" --header "authorization: Bearer $token" \
    --form "file=@$2" "$base/jobs/$1/files" | jq --raw-output '.files[] | "\(.filename), \(.fileSize) bytes, sha256 \(.sha256)"'
}
start() { call POST "/jobs/$1/start" | jq --raw-output '"\(.status) at \(.queuePosition)"'; }
status_of() { value "/jobs/$1" .status; }
has_status() { [ "$(status_of "$1")" = "$2" ]; }
list_queue() { value '/jobs?status=queued' '.jobs[] | "\(.queuePosition) \(.jobId)"'; }

lines() { # n pause: a scenario that prints n lines, one every so many ms
  jq --null-input --compact-output --argjson n "$1" --argjson ms "$2" \
    '{steps: ([range(1; $n + 1) | {print: "line \(.) – ü €"}, {sleepMs: $ms}] + [{exit: 0}])}'
}

# ---- the server ------------------------------------------------------------------------------------------------------

start_server() {
  if [ -n "$theirs" ]; then
    start_theirs >>"$work/server.log" 2>&1 </dev/null || fail 'the server was not started again'
  else
    mkdir -p "$home"
    "$holdfast" serve --home "$home" --port 0 "${serve_options[@]}" >>"$work/server.log" 2>&1 </dev/null &
    server=$!
    disown "$server" # a shell that waits for it would report its death on its own
    wait_until 60 'the server names itself' names_itself
    base=$(jq --raw-output .url "$home/server.json")
  fi
  wait_until 60 'the server accepts work' is_ready
}
start_theirs() {
  local address=${base#*://}
  local restart=("$holdfast" server start --home "$home" --host "${address%:*}" --port "${address##*:}")
  if [ -n "${START_COMMAND:-}" ]; then bash -c "$START_COMMAND"; else "${restart[@]}"; fi
  server=$(jq .pid "$home/server.json")
}
names_itself() {
  kill -0 "$server" 2>/dev/null || fail 'the server ended while it was starting'
  [ "$(jq .pid "$home/server.json" 2>/dev/null)" = "$server" ]
}
is_gone() { ! kill -0 "$server" 2>/dev/null; }
is_ready() {
  [ "$(curl --silent --max-time 5 "${curl_trust[@]}" --output /dev/null --write-out '%{http_code}' "$base/readyz")" = 200 ]
}

kill_server() {
  kill -KILL "$server"
  wait_until 30 'the server is gone' is_gone
  if curl --silent --max-time 5 "${curl_trust[@]}" --output /dev/null "$base/healthz"; then
    fail 'somebody still answers'
  fi
}

# A fresh home for each part of a run of its own.
fresh_home() { # configuration
  serve_options=()
  if [ -z "$theirs" ]; then
    end_everything
    home=$work/home-$((++homes))
    mkdir -m 700 "$home"
    echo "$1" >"$home/holdfast.config.json"
    if [ "${TLS:-}" = 1 ]; then
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=holdfast test' \
        -addext 'subjectAltName=IP:127.0.0.1' -keyout "$home/key.pem" -out "$home/cert.pem" 2>/dev/null
      serve_options=(--tls-cert "$home/cert.pem" --tls-key "$home/key.pem")
      curl_trust=(--cacert "$home/cert.pem")
    fi
    start_server
  elif [ -z "$server" ]; then
    server=${SERVER_PID:-$(jq .pid "$home/server.json")}
    is_ready || fail "no server is ready at $base"
  fi
  # One account is enough for every part on a server that is not ours.
  if [ -z "${BATCH_USER:-}" ] && { [ -z "$theirs" ] || [ ! -f "$work/account.log" ]; }; then make_account; fi
  log_in
  say before "logged in as $user at $base"
}
homes=0
make_account() {
  "$holdfast" token create --user "$user" --password-stdin --home "$home" <<<"$password" >/dev/null 2>"$work/account.log" ||
    fail "the account was refused: $(cat "$work/account.log")"
}

# The jobs that are not over go with their homes: what they started is ended by the server that recovers them.
end_everything() {
  local job
  if [ -n "$theirs" ] || [ -z "$server" ]; then return; fi
  if ! kill -0 "$server" 2>/dev/null; then start_server || true; fi
  for job in $(value '/jobs?limit=200' \
    '.jobs[] | select(.status | IN("completed", "failed", "cancelled", "timeout") | not) | .jobId'); do
    call POST "/jobs/$job/cancel" >/dev/null || true
    wait_until 30 "job $job is cancelled" has_status "$job" cancelled
  done
  kill -TERM "$server" 2>/dev/null || true
  wait_until 30 'the server has ended' is_gone
  server=
}
clean_up() {
  local code=$?
  trap - EXIT
  rm -f "$work"/*/.git/packed-refs
  (end_everything) >/dev/null 2>&1 || true
  if [ -n "$server" ] && [ -z "$theirs" ]; then kill -KILL "$server" 2>/dev/null || true; fi
  rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
  exit $code
}
trap clean_up EXIT
trap 'exit 130' INT TERM

make_repository() { # path
  git init --quiet --initial-branch=main "$1"
  echo 'one line' >"$1/README.md"
  git -C "$1" add --all
  git -C "$1" -c user.name=Client -c user.email=client@example.invalid commit --quiet --message 'Begin'
}

# ---- (a) output ------------------------------------------------------------------------------------------------------

output_part() {
  part '(a) an agent at work outlives its server, and its output is retrieved byte by byte'
  fresh_home '{}'
  local app=app-$$
  make_repository "$work/app"
  register "$app" "$work/app"
  local job file seen killed grown
  job=$(create "$app" "$(lines 40 150)")
  say before "job $job is created and not queued: $(value '/jobs?status=queued' '.jobs | length') queued"
  head -c 100000 /dev/urandom >"$work/data.bin"
  say before "uploaded: $(upload "$job" "$work/data.bin")"
  say before "started: $(start "$job")"
  wait_until 60 'the output grows' has_lines "$job" 5
  seen=$(value "/jobs/$job" .outputBytes)
  wait_until 60 'the output grows on' has_lines "$job" 8
  say before "its output grew from $seen to $(value "/jobs/$job" .outputBytes) bytes while it is $(status_of "$job")"
  say before "sentinel: $(call GET "/jobs/$job/sentinel" | jq --compact-output '{lastHeartbeat, pid, adaptorEngine}')"

  file=$home/jobs/$job/attempts/1/output
  kill_server
  killed=$(stat --format=%s "$file")
  say kill "the server is gone (SIGKILL) with $killed bytes on the disk"

  wait_until 30 'the agent works on without a server' is_larger "$file" "$killed"
  grown=$(stat --format=%s "$file")
  say after "no server answers, and the agent went on: $grown bytes in $(basename "$(dirname "$file")")/output"
  say after "sentinel on the disk: $(jq --compact-output '{lastHeartbeat, pid}' "$(dirname "$file")/sentinel.json")"

  start_server
  value "/jobs/$job" . >"$work/job.json"
  jq --join-output .output "$work/job.json" >"$work/retrieved"
  [ "$(stat --format=%s "$work/retrieved")" -ge "$grown" ] || fail 'less was retrieved than was on the disk'
  cmp --bytes="$(stat --format=%s "$work/retrieved")" "$work/retrieved" "$file" || fail 'what was retrieved differs'
  say restart "job is $(jq --raw-output .status "$work/job.json"), $(stat --format=%s "$work/retrieved") bytes retrieved, as in the file"
  say restart "$(call GET /api/admin/startup-recovery-metrics | jq --compact-output '{recoveryMs, jobs}')"

  wait_until 90 'the job completes' has_status "$job" completed
  value "/jobs/$job" . >"$work/job.json"
  jq --join-output .output "$work/job.json" >"$work/retrieved"
  cmp "$work/retrieved" "$file" || fail 'the output differs from the file'
  grep --text '^line' "$work/retrieved" | cut --delimiter=' ' --fields=2 | cmp - <(seq 1 40) || fail 'a line is missing or doubled'
  expect "$(jq .exitCode "$work/job.json")" 0 'its exit code'
  expect "$(value /api/admin/startup-log '.currentStartup.previousStop')" crash 'how the server before stopped'
  cmp "$work/data.bin" "$home/jobs/$job/workspace/data.bin" || fail 'what was uploaded is not in the workspace'
  say end "what was uploaded is in the workspace, byte for byte"
  say end "job completed with exit code 0, 40 lines, each once, byte for byte as in the file"
}
has_lines() { [ "$(value "/jobs/$1" .output | grep --count '^line')" -ge "$2" ]; }
is_larger() { [ "$(stat --format=%s "$1")" -gt "$2" ]; }

# ---- (b) queue -------------------------------------------------------------------------------------------------------

queue_part() {
  part '(b) eight jobs wait in their order through a crash; what was never started stays out'
  fresh_home '{}'
  local queue=queue-$$
  make_repository "$work/queue"
  register "$queue" "$work/queue"
  call PATCH "/v1/repositories/$queue" '{"limits": {"concurrency": 1}}' >/dev/null
  local blocker ids=() held=() before after i
  blocker=$(create "$queue" '{"steps":[{"print":"blocking"},{"sleepMs":600000},{"exit":0}]}')
  start "$blocker" >/dev/null
  wait_until 60 'the first one runs' has_status "$blocker" running
  for i in 1 2 3 4 5 6 7 8; do
    ids+=("$(create "$queue" "{\"steps\":[{\"print\":\"job $i\"},{\"sleepMs\":50},{\"exit\":0}]}")")
    [ $((i % 4)) -ne 0 ] || held+=("$(create "$queue" '{"steps":[{"print":"held"},{"exit":0}]}')")
  done
  # Not in the order of their creation: a job gets its place when it is started.
  for i in 3 0 7 1 6 2 5 4; do start "${ids[$i]}" >/dev/null; done
  before=$(list_queue)
  expect "$(wc --lines <<<"$before" | tr -d ' ')" 8 'jobs in the queue'
  expect "$(head -n 1 <<<"$before")" "1 ${ids[3]}" 'the first in the queue'
  say before "8 jobs wait behind one that runs, ${#held[@]} are created and not started"

  kill_server
  say kill 'the server is gone (SIGKILL)'
  say after "the queue is in $(basename "$home")/holdfast.db: $(stat --format=%s "$home/holdfast.db" "$home/holdfast.db-wal" | paste --serial --delimiters=+) bytes"

  start_server
  after=$(list_queue)
  expect "$after" "$before" 'the queue after the crash'
  for i in "${held[@]}"; do expect "$(status_of "$i")" created 'a job that was never started'; done
  say restart 'the same 8 jobs at the same places, the others still created'

  call POST "/jobs/$blocker/cancel" >/dev/null
  for i in "${ids[@]}"; do wait_until 120 "job $i completes" has_status "$i" completed; done
  for i in "${ids[@]}"; do value "/jobs/$i" '"\(.startedAt) \(.jobId)"'; done | sort | cut --delimiter=' ' --fields=2 >"$work/ran"
  cut --delimiter=' ' --fields=2 <<<"$before" | cmp - "$work/ran" || fail 'they ran in another order'
  for i in "${held[@]}"; do expect "$(status_of "$i")" created 'a job that was never started'; done
  say end "all 8 completed in the order of the queue, the blocking one is $(status_of "$blocker")"
  for i in "${held[@]}"; do
    start "$i" >/dev/null
    wait_until 60 'a job started late completes' has_status "$i" completed
  done
  say end 'the ones that were held completed once they were started'
}

# ---- (c) lock --------------------------------------------------------------------------------------------------------

lock_part() {
  part '(c) a lock held by a prepare step that hangs is recovered; other repositories go on'
  fresh_home '{"limits": {"agentsPerHost": 8}}'
  local hanging=hanging-$$ other=other-$$
  make_repository "$work/hanging"
  make_repository "$work/other"
  register "$hanging" "$work/hanging"
  register "$other" "$work/other"
  local short='{"steps":[{"print":"done"},{"exit":0}]}' first second third fourth left pid
  # Whoever reads the source now waits for somebody to write into this pipe.
  mkfifo "$work/hanging/.git/packed-refs"
  first=$(create "$hanging" "$short")
  second=$(create "$hanging" "$short")
  start "$first" >/dev/null
  wait_until 60 'the prepare step holds the lock' holds_lock "$first"
  start "$second" >/dev/null
  third=$(create "$other" "$short")
  start "$third" >/dev/null
  wait_until 60 'another repository goes on' has_status "$third" completed
  expect "$(status_of "$first")" gitpulling 'the job whose fetch hangs'
  say before "lock: $(call GET /v1/locks | jq --compact-output --arg job "$first" '.items[] | select(.jobId == $job) | {key, operation, pid: .holder.pid}')"
  say before "job of the other repository is $(status_of "$third")"

  kill_server
  say kill 'the server is gone (SIGKILL) while its git hangs'

  left=$(git_processes "$first")
  [ -n "$left" ] || fail 'nothing of the prepare step is alive'
  say after "the lock is a row of $(basename "$home")/holdfast.db, its git hangs on as $(wc --words <<<"$left" | tr -d ' ') processes"

  start_server
  value /v1/recovery/boots/latest ".locks[] | select(.key == \"repo:$hanging\")" >"$work/lock.json"
  expect "$(jq --raw-output .decision "$work/lock.json")" removed 'the lock of the dead holder'
  say restart "$(jq --raw-output '"\(.key) \(.decision): \(.why)"' "$work/lock.json")"
  for pid in $left; do
    if grep --silent --null-data "^HOLDFAST_OP=$first" "/proc/$pid/environ" 2>/dev/null; then fail "process $pid of the dead server is alive"; fi
  done
  say restart 'every process of the dead server was ended before its lock was taken'
  fourth=$(create "$other" "$short")
  start "$fourth" >/dev/null
  wait_until 60 'the other repository goes on after the crash' has_status "$fourth" completed
  say restart "job of the other repository is $(status_of "$fourth"), job of the hanging one is $(status_of "$first")"

  mv "$work/hanging/.git/packed-refs" "$work/pipe"
  for job in "$first" "$second"; do wait_until 120 "job $job completes" completes_released "$job"; done
  wait_until 30 'every lock is given back' has_no_lock
  say end "both jobs of the hanging repository are $(status_of "$first") and $(status_of "$second"), no lock is left"
}
holds_lock() { [ "$(value /v1/locks "[.items[] | select(.key == \"repo:hanging-$$\" and .jobId == \"$1\")] | length")" = 1 ]; }
# Whoever waits at the pipe reads its end, and goes on.
completes_released() {
  exec 3<>"$work/pipe" 3>&-
  has_status "$1" completed
}
has_no_lock() { [ "$(value /v1/locks "[.items[] | select(.key == \"repo:hanging-$$\")] | length")" = 0 ]; }
# What the server started for a job before its agent: it carries the id of its operation.
git_processes() {
  { grep --files-with-matches --null-data "^HOLDFAST_OP=$1" /proc/[0-9]*/environ 2>/dev/null || true; } | cut --delimiter=/ --fields=3
}

# ---- all of it -------------------------------------------------------------------------------------------------------

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(output queue lock)
for name in "${parts[@]}"; do
  case $name in
    output | queue | lock) "${name}_part" ;;
    *)
      echo "batch-api.sh: no part \"$name\": output, queue, lock" >&2
      exit 2
      ;;
  esac
done
printf '\nPASSED: %s\n' "${parts[*]}"
