import { writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'

/** Loaded before elastauth (`--import`) to write the URLs of all modules that it loads to the file in `TEST_MODULES`. */
const urls: string[] = []

registerHooks({
  load(url, context, nextLoad) {
    urls.push(url)
    return nextLoad(url, context)
  },
})
process.on('exit', () => writeFileSync(process.env.TEST_MODULES!, urls.join('\n')))
