#!/usr/bin/env bash
# Follows the event log with curl, over server-sent events, into a file: a line of JSON for each event, none lost and
# none twice, whenever the server or this script is ended and started again. Needs bash, curl and jq.
set -euo pipefail

server=${PACKWRIGHT_URL:-http://127.0.0.1:8080}
token=${PACKWRIGHT_TOKEN:-demo-acme-admin}
events=${EVENTS_FILE:-events.jsonl}

begin='query Begin { viewer { eventCursor } }'
follow='subscription Follow { events { id kind occurredAt packName } }'

# ask PATH QUERY [OPTION …]. The token goes through a pipe: a command line can be read by everybody.
ask() {
  jq -n --arg query "$2" '{$query}' |
    curl --silent --show-error --no-buffer --fail --data-binary @- "$server$1" \
      --header @<(printf 'Authorization: Bearer %s\n' "$token") --header 'Content-Type: application/json' "${@:3}"
}

# The file's first line is where the log ended when it was begun; so is a line after events that are lost.
start_over() { ask /graphql "$begin" | jq -ce '{cursor: .data.viewer.eventCursor, state: "to be read"}' >>"$events"; }

# An event and its cursor are one line: there is no moment at which one is written and the other isn't.
cursor() { tail -n 1 "$events" | jq -er .cursor; }

# A server that was cut off from the network is noticed by the probes that --keepalive-time sends.
open_stream() {
  ask /graphql/stream "$follow" --keepalive-time 15 \
    --header 'Accept: text/event-stream' --header "Last-Event-ID: $(cursor)"
}

# An event of the stream is some lines and an empty one. What was cut off before that comes again.
read_stream() {
  local line id='' data=''
  while IFS= read -r line; do
    case $line in
      'id: '*) id=${line#id: } ;;
      'data: '*) data=${line#data: } ;;
      '')
        if jq -e .errors <<<"$data" >/dev/null; then
          jq -c .errors <<<"$data" >&2
          # What the server no longer keeps can't be told any more.
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
