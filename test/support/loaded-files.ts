import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/**
 * Loaded before the built elastauth (`--import`) to record what it loads: when it exits, `TEST_LOADED_FILES` names a file
 * with the paths of its files, and the names of Node's own modules.
 */
const { cache } = createRequire(import.meta.url)
const { moduleLoadList } = process as unknown as { moduleLoadList: string[] }

process.on('exit', () =>
  writeFileSync(process.env.TEST_LOADED_FILES!, [...Object.keys(cache), ...moduleLoadList].join('\n')),
)
