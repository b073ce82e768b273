// An OpenAI-compatible chat server over node-llama-cpp, for tests with real generation and no network.
// Owns one small model in memory and two generation slots. Never listens beyond loopback, never keeps text.
//
//   node smol-server.mjs PORT MODEL.gguf       port 0 picks a free one; prints "listening 127.0.0.1:PORT"
//
// GET /health, GET /v1/models, POST /v1/chat/completions (streaming and not). Tokens come in the last chunk
// when stream_options.include_usage is set. A client that goes away ends its generation.
import http from "node:http";
import path from "node:path";
import { getLlama, LlamaChatSession } from "node-llama-cpp";

const BODY_LIMIT = 1 << 20; // bytes of one request
const SLOTS = 2;            // generations at once; a third request waits
const CONTEXT = 2048;       // tokens of one generation, prompt included
const DEFAULT_MAX_TOKENS = 64;

const [portText, modelPath] = process.argv.slice(2);
if (!portText || !modelPath) {
  console.error("usage: node smol-server.mjs PORT MODEL.gguf");
  process.exit(2);
}
const modelName = path.basename(modelPath, ".gguf").split(".")[0].toLowerCase();

const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", maxThreads: 2 });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: CONTEXT, sequences: SLOTS, threads: 2 });

// Slots are handed on in the order of asking; whoever left while waiting is passed over.
let free = SLOTS;
const waiting = [];
async function slot(signal) {
  if (free > 0) free -= 1;
  else await new Promise((resolve) => waiting.push(resolve));
  if (signal.aborted) return release();
  return context.getSequence();
}
function release() {
  const next = waiting.shift();
  if (next) next();
  else free += 1;
}

async function readJson(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > BODY_LIMIT) throw new HttpError(413, "the request is larger than 1 MiB");
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString("utf8"));
  } catch {
    throw new HttpError(400, "the body is not JSON");
  }
}

class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function sendJson(response, status, value) {
  if (response.headersSent) return response.end();
  const body = JSON.stringify(value);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

// Content is a string, or parts of which the texts count.
function textOf(content) {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map((part) => part?.text ?? "").join("");
  return "";
}

// The messages before the last user's become the session's history, in the library's own shape.
function conversation(messages) {
  const history = [];
  for (const { role, content } of messages.slice(0, -1)) {
    const text = textOf(content);
    if (role === "system" || role === "developer") history.push({ type: "system", text });
    else if (role === "assistant") history.push({ type: "model", response: [text] });
    else history.push({ type: "user", text });
  }
  return { history, prompt: textOf(messages.at(-1).content) };
}

// Runs one generation and hands every piece of text to onText; gives tokens and the reason of the end.
async function generate(body, signal, onText) {
  const sequence = await slot(signal);
  if (!sequence) return { promptTokens: 0, outputTokens: 0, finish: "stop" };
  let session;
  try {
    const { history, prompt } = conversation(body.messages);
    session = new LlamaChatSession({ contextSequence: sequence });
    if (history.length > 0) session.setChatHistory(history);
    const before = sequence.tokenMeter.getState();
    const { stopReason } = await session.promptWithMeta(prompt, {
      maxTokens: body.max_tokens ?? body.max_completion_tokens ?? DEFAULT_MAX_TOKENS,
      temperature: body.temperature ?? 0,
      seed: body.seed,
      signal,
      stopOnAbortSignal: true,
      onTextChunk: onText,
    });
    const used = sequence.tokenMeter.diff(before);
    const finish = stopReason === "maxTokens" ? "length" : "stop";
    return { promptTokens: used.usedInputTokens, outputTokens: used.usedOutputTokens, finish };
  } finally {
    session?.dispose();
    sequence.dispose();
    release();
  }
}

function usageOf({ promptTokens, outputTokens }) {
  return { prompt_tokens: promptTokens, completion_tokens: outputTokens, total_tokens: promptTokens + outputTokens };
}

let counter = 0;
async function chat(request, response) {
  const body = await readJson(request);
  if (!Array.isArray(body.messages) || body.messages.length === 0) throw new HttpError(400, "messages is empty");
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const head = { id: `chatcmpl-${++counter}`, created: Math.floor(Date.now() / 1000), model: body.model ?? modelName };
  if (!body.stream) {
    let text = "";
    const result = await generate(body, gone.signal, (piece) => { text += piece; });
    const message = { role: "assistant", content: text };
    return sendJson(response, 200, {
      ...head, object: "chat.completion", usage: usageOf(result),
      choices: [{ index: 0, message, finish_reason: result.finish }],
    });
  }
  const send = (value) => response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...value })}\n\n`);
  const chunk = (delta, finish = null) => send({ choices: [{ index: 0, delta, finish_reason: finish }] });
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  chunk({ role: "assistant", content: "" });
  const result = await generate(body, gone.signal, (piece) => chunk({ content: piece }));
  if (gone.signal.aborted) return undefined;
  chunk({}, result.finish);
  if (body.stream_options?.include_usage) send({ choices: [], usage: usageOf(result) });
  return response.end("data: [DONE]\n\n");
}

async function route(request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/health") return response.end("ok");
  if (request.method === "GET" && pathname === "/v1/models") {
    return sendJson(response, 200, { object: "list", data: [{ id: modelName, object: "model", owned_by: "local" }] });
  }
  if (request.method === "POST" && pathname === "/v1/chat/completions") return chat(request, response);
  throw new HttpError(404, `no ${request.method} ${pathname}`);
}

const server = http.createServer((request, response) => {
  route(request, response).catch((error) => {
    sendJson(response, error.status ?? 500, { error: { message: error.message, type: "server_error" } });
  });
});
server.listen(Number(portText), "127.0.0.1", () => console.log(`listening 127.0.0.1:${server.address().port}`));
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => process.exit(0));
