#!/usr/bin/env bash
# Follows the event log with curl over server-sent events, and writes each event into a file as a line of JSON. No event
# is lost or repeated when the server or this script ends and starts again. Needs bash, curl and jq.
set -euo pipefail

server=${PACKWRIGHT_URL:-http://127.0.0.1:8080}
token=${PACKWRIGHT_TOKEN:-demo-acme-admin}
events=${EVENTS_FILE:-events.jsonl}

begin='query Begin { viewer { eventCursor } }'
follow='subscription Follow { events { id kind occurredAt ... on PackEvent { packName } } }'

# ask PATH QUERY [OPTION …]. The token goes through a pipe, because others can read command lines.
ask() {
  jq -n --arg query "$2" '{$query}' |
    curl --silent --show-error --no-buffer --fail --data-binary @- "$server$1" \
      --header @<(printf 'Authorization: Bearer %s\n' "$token") --header 'Content-Type: application/json' "${@:3}"
}

# The first line of the file has the cursor of the log's end at the start. After lost events there is such a line again.
start_over() { ask /graphql "$begin" | jq -ce '{cursor: .data.viewer.eventCursor, state: "to be read"}' >>"$events"; }

# An event and its cursor are on one line, so that they are written together.
cursor() { tail -n 1 "$events" | jq -er .cursor; }

# The probes of --keepalive-time detect a server that was cut off from the network.
open_stream() {
  ask /graphql/stream "$follow" --keepalive-time 15 \
    --header 'Accept: text/event-stream' --header "Last-Event-ID: $(cursor)"
}

# An event consists of several lines and an empty one. The server sends an incomplete event again.
read_stream() {
  local line id='' data=''
  while IFS= read -r line; do
    case $line in
      'id: '*) id=${line#id: } ;;
      'data: '*) data=${line#data: } ;;
      '')
        if jq -e .errors <<<"$data" >/dev/null; then
          jq -c .errors <<<"$data" >&2
          # The server no longer keeps these events.
          if [[ $data == *CURSOR_EXPIRED* ]]; then start_over; fi
        elif [ -n "$id" ]; then
          jq -c --arg cursor "$id" '{$cursor} + .data.events' <<<"$data" | tee -a "$events"
          pause=1
        fi
        id='' data=''
        ;;
    esac
  done
}

pause=1
while true; do
  if [ -s "$events" ] || start_over; then
    read_stream < <(open_stream)
  fi
  sleep "$pause"
  pause=$((pause < 16 ? pause * 2 : 30))
done
