// @ts-check
// A first value for the arguments of a tool, from its JSON Schema, and the check of what was typed. Pure; a schema is
// foreign, so depth and size are bounded and nothing of it is trusted.

const DEEPEST = 5;
const MOST_KEYS = 50;

/** @typedef {any} Schema */

/** What a local reference names. @param {Schema} root @param {Schema} schema */
function resolved(root, schema) {
  let found = schema;
  for (let hops = 0; hops < 8 && typeof found?.$ref === 'string'; hops += 1) {
    if (!found.$ref.startsWith('#/')) return {};
    const steps = found.$ref.slice(2).split('/').map((/** @type {string} */ s) => s.replaceAll('~1', '/').replaceAll('~0', '~'));
    let at = root;
    for (const step of steps) at = at !== null && typeof at === 'object' && Object.hasOwn(at, step) ? at[step] : undefined;
    found = at;
  }
  return found !== null && typeof found === 'object' && found.$ref === undefined ? found : {};
}

/** @param {Schema} root @param {Schema} given @param {number} depth @returns {any} */
function sample(root, given, depth) {
  const schema = resolved(root, given);
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0];
  if (Array.isArray(schema.examples) && schema.examples.length > 0) return schema.examples[0];
  for (const list of [schema.anyOf, schema.oneOf, schema.allOf]) {
    if (Array.isArray(list) && list.length > 0 && depth < DEEPEST) return sample(root, list[0], depth + 1);
  }
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  const type = types.find((/** @type {unknown} */ t) => t !== 'null') ?? 'null';
  if (type === 'object' || (type === undefined && schema.properties)) return objectSample(root, schema, depth);
  if (type === 'array') return [];
  if (type === 'integer' || type === 'number') return typeof schema.minimum === 'number' ? schema.minimum : 0;
  if (type === 'boolean') return false;
  return type === 'null' ? null : '';
}

/** @param {Schema} root @param {Schema} schema @param {number} depth */
function objectSample(root, schema, depth) {
  /** @type {[string, any][]} */
  const entries = [];
  if (depth >= DEEPEST) return {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  for (const name of required.slice(0, MOST_KEYS)) {
    if (typeof name !== 'string') continue;
    const known = schema.properties !== null && typeof schema.properties === 'object' && Object.hasOwn(schema.properties, name);
    entries.push([name, known ? sample(root, schema.properties[name], depth + 1) : '']);
  }
  return Object.fromEntries(entries);
}

/** Arguments with every required property, as indented JSON. @param {Schema} schema */
export function skeleton(schema) {
  const root = schema !== null && typeof schema === 'object' ? schema : {};
  try {
    return JSON.stringify(objectSample(root, resolved(root, root), 0), null, 2);
  } catch {
    return '{}';
  }
}

/**
 * The arguments that were typed, or what is wrong with them.
 * @param {string} text
 * @param {Schema} schema
 * @returns {{ok: true, value: object} | {ok: false, problem: string}}
 */
export function readArguments(text, schema) {
  let value;
  try {
    value = JSON.parse(text.trim() === '' ? '{}' : text);
  } catch (error) {
    return { ok: false, problem: `Not JSON: ${error instanceof Error ? error.message : 'it cannot be read'}` };
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return { ok: false, problem: 'Arguments are a JSON object: { … }' };
  }
  const required = Array.isArray(schema?.required) ? schema.required : [];
  const missing = required.filter((/** @type {unknown} */ name) => typeof name === 'string' && !Object.hasOwn(value, name));
  if (missing.length > 0) return { ok: false, problem: `Missing: ${missing.slice(0, 8).join(', ')}` };
  return { ok: true, value };
}

/**
 * The arguments of a schema in short, for people: name, type, whether it must be there.
 * @param {Schema} schema
 * @returns {{name: string, type: string, required: boolean, description: string}[]}
 */
export function parameters(schema) {
  const root = schema !== null && typeof schema === 'object' ? schema : {};
  const properties = resolved(root, root).properties;
  if (properties === null || typeof properties !== 'object') return [];
  const required = new Set(Array.isArray(root.required) ? root.required : []);
  return Object.entries(properties)
    .slice(0, MOST_KEYS)
    .map(([name, given]) => {
      const of = resolved(root, given);
      const types = Array.isArray(of.type) ? of.type.join(' or ') : of.type;
      const type = typeof types === 'string' ? types : Array.isArray(of.enum) ? 'one of' : 'any';
      return { name, type, required: required.has(name), description: typeof of.description === 'string' ? of.description : '' };
    });
}
