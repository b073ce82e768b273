#!/usr/bin/env bash
# The client side of MCP supervision against the public conformance suite: `llmctl mcp conformance-client URL`, which
# speaks as the daemon does to a server over Streamable HTTP, judged by a mock server of the suite.
#
#   tests/tools/conformance.sh                  every scenario a supervisor is meant for, at each of its revisions
#   tests/tools/conformance.sh SCENARIO VERSION only this one, with all the suite has to say
#
# What the verb has to do, since the suite judges only what it sees on the wire: open the session in the revision that
# MCP_CONFORMANCE_PROTOCOL_VERSION names, list the tools, make the calls of MCP_CONFORMANCE_CONTEXT (`toolCalls`) or, without
# any, call each listed tool once with arguments made from its schema (numbers 5, texts "x"; `schema` of
# `json_schema_echo` is the input schema of the other tool, untouched), answer `input_required` by one more call that
# carries `requestState` as it came, close. A tool that refuses is no failure of the client.
#
# Left out on purpose: auth/* (a supervisor has no browser; it reports `needs_authentication`), elicitation (it asks
# nobody), sep-2640-* and other extensions (not implemented).
# Needs `tests/tools/install.sh conformance`; talks to localhost only. LLMCTL names the binary.
set -euo pipefail

tests="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
suite="${LLMCTL_TEST_TOOLS:-$tests/.cache/tools}/bin/mcp-conformance"
llmctl="${LLMCTL:-$tests/../target/debug/llmctl}"
[ -x "$suite" ] || { echo "error: run tests/tools/install.sh conformance first" >&2; exit 2; }
[ -x "$llmctl" ] || { echo "error: $llmctl is not built" >&2; exit 2; }

scenarios='initialize 2025-06-18
initialize 2025-11-25
tools_call 2025-06-18
tools_call 2025-11-25
tools_call 2026-07-28
sse-retry 2025-11-25
request-metadata 2026-07-28
http-standard-headers 2026-07-28
http-custom-headers 2026-07-28
http-invalid-tool-headers 2026-07-28
json-schema-ref-no-deref 2026-07-28
json-schema-2020-12-preservation 2025-11-25
json-schema-2020-12-preservation 2026-07-28
sep-2322-client-request-state 2026-07-28'

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT

# judge SCENARIO VERSION LOG - what the suite says of one scenario.
judge() {
  "$suite" client --command "$llmctl mcp conformance-client" --scenario "$1" --spec-version "$2" \
    --timeout 20000 -o "$out/$1-$2" </dev/null >"$3" 2>&1
}

if [ "$#" = 2 ]; then
  if judge "$1" "$2" "$out/log"; then code=0; else code=$?; fi
  cat "$out/log"
  find "$out/$1-$2" -type f \( -name checks.json -o -name stderr.txt \) -exec cat {} +
  exit "$code"
fi

passed=0 failed=0
while read -r scenario version; do
  if judge "$scenario" "$version" "$out/log"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'failed: %s at %s\n' "$scenario" "$version"
    tail -n 40 "$out/log"
  fi
done <<< "$scenarios"
printf 'conformance: %d of %d scenarios passed\n' "$passed" "$((passed + failed))"
[ "$failed" = 0 ]
