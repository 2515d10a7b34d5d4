#!/usr/bin/env node
// Other modules are imported only after this check, because an older version fails to load them with an unrelated error.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > 26 || (major === 26 && minor >= 9) || (major === 24 && minor >= 21)) {
  delete process.env.DEBUG // with it, libraries would write their requests to standard error, including credentials
  process.on('SIGHUP', () => {}) // until cli/serve.ts handles this signal, it would end the process
  import('./cli/run.ts').then(({ run }) => run(process.argv.slice(2)))
} else {
  console.error(
    `elastauth: needs Node.js 24.21 or later, or 26.9 or later, and this is ${process.version}: install a later version, or use the image of elastauth`,
  )
  process.exitCode = 1
}

export {} // makes this file a module
