// @ts-check
// The daemon about itself, and its configuration. Answers as `call` of api.js gives them.

import { call } from '../api.js';

/** How it is. */
export const system = () => call('/api/system');

/** The configuration in force, with origins and findings. */
export const config = () => call('/api/config');
