import { fileURLToPath } from 'node:url'

/** Environment of the programs that tests start: without Node's compile cache, half of the time of a start is for TypeScript. */
export const compileCache = Object.freeze({
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/node', import.meta.url)),
})
