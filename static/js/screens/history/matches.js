// @ts-check
// Whether an operation is what an address asks for, as the daemon decides it (daemon/src/web/listing/filter.rs). Pure.

/** @typedef {import('../../state.js').Operation} Operation */

/**
 * @param {Operation} op
 * @param {Pick<import('./address.js').Address, 'text'|'state'|'tool'|'model'|'agent'|'until'|'span'>} address
 * @param {number} now
 */
export function matches(op, address, now) {
  const is = (/** @type {string} */ wanted, /** @type {string|null} */ value) => wanted === '' || wanted === value;
  const text = address.text.toLowerCase();
  const mentions = () => [op.operation_id, op.agent, op.task_id, op.error?.message, op.error?.class].some((one) => typeof one === 'string' && one.toLowerCase().includes(text));
  const at = Date.parse(op.submitted_at);
  const { from } = address.span(now);
  return (
    is(address.state, op.state) &&
    is(address.tool, op.tool) &&
    is(address.model, op.model) &&
    is(address.agent, op.agent) &&
    (from === '' || at >= Date.parse(from)) &&
    (address.until === '' || at < Date.parse(address.until)) &&
    (text === '' || mentions())
  );
}
