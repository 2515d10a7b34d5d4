import { execFileSync } from 'node:child_process'
import { chmodSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after } from 'node:test'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '../../examples')

/** The examples with a compose file, each with a setup service. */
export const examples = globSync('*/docker-compose.yml', { cwd: root }).map(dirname).sort()

export type Service = Readonly<{
  image?: string
  build?: string
  command?: readonly string[]
  environment?: Readonly<Record<string, string>>
  ports?: readonly string[]
  volumes?: readonly string[]
  networks?: readonly string[]
  network_mode?: string
  depends_on?: Readonly<Record<string, { condition: string }>>
  healthcheck?: unknown
  cap_drop?: readonly string[]
  read_only?: boolean
  security_opt?: readonly string[]
}>

export type Compose = Readonly<{
  services: Readonly<Record<string, Service>>
  networks: Readonly<Record<string, { internal?: boolean }>>
  volumes: Readonly<Record<string, unknown>>
}>

export function pathOf(example: string, file: string): string {
  return join(root, example, file)
}

/** Reads the compose file, with the default instead of `${NAME:-default}`. */
export function readCompose(example: string): Compose {
  const text = readFileSync(pathOf(example, 'docker-compose.yml'), 'utf8').replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')
  return parse(text, { merge: true })
}

/** Parses a mount such as `volume-or-file:/path/in/container:ro`. */
export function readMount(mount: string) {
  const [source = '', target = '', mode] = mount.split(':')
  return { source, target, isReadOnly: mode === 'ro' }
}

/** Runs the example's setup.sh as its setup service does, in a directory that is removed after the tests. */
export function runSetup(example: string): string {
  const folder = mkdtempSync(join(tmpdir(), `elastauth-${example}-`))
  after(() => {
    // setup.sh makes the directories read-only; only root can remove files from them
    for (const directory of globSync(`${folder}/*/`)) chmodSync(directory, 0o700)
    rmSync(folder, { recursive: true })
  })
  setUp(example, folder)
  return folder
}

/** Runs setup.sh, which can be repeated. */
export function setUp(example: string, folder: string, path = process.env.PATH): void {
  const env = { PATH: path, FUNCTIONS: join(root, 'setup/functions.sh') }
  execFileSync('sh', [pathOf(example, 'setup.sh'), folder], { env, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** elastauth's environment in the compose file, with the files in `folder` instead of those in `/secrets`. */
export function environmentOf(example: string, folder: string): Record<string, string> {
  const { environment = {} } = readCompose(example).services.elastauth!
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.startsWith('/secrets/') ? join(folder, 'elastauth', basename(value)) : value,
    ]),
  )
}
