import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../..')

/** Who may import whom, as ARCHITECTURE.md says. `type:` before a target allows types only. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  config: ['config'],
  'src/auth': ['src/auth', 'src/errors.ts', 'src/soon.ts', 'type:src/answer.ts', 'config/identity-rules.ts'],
  'src/providers': ['src/providers', 'type:src/auth', 'src/errors.ts', 'src/soon.ts', 'type:config/header-presets.ts'],
  'src/es': ['src/es', 'src/errors.ts'],
  'src/redis': ['src/redis'],
  'src/proxy': [
    'src/proxy',
    'type:src/auth',
    'type:src/answer.ts',
    'src/errors.ts',
    'src/soon.ts',
    'type:config/routes.ts',
  ],
  'src/listeners': ['src/listeners', 'src/errors.ts', 'type:config/listeners.ts'],
  'src/sessions': ['src/sessions', 'type:src/auth', 'src/errors.ts', 'src/soon.ts'],
  'src/login': [
    'src/login',
    'type:src/sessions',
    'type:src/auth',
    'src/auth/csrf.ts',
    'src/auth/own-origin.ts',
    'src/answer.ts',
    'src/errors.ts',
    'src/soon.ts',
  ],
  'src/pages': ['src/pages', 'src/answer.ts', 'type:src/errors.ts'],
  'src/options': ['src/options', 'config', 'type:src'],
  'src/endpoints': [
    'src/endpoints',
    'type:src/auth',
    'src/answer.ts',
    'src/errors.ts',
    'src/pages',
    'type:src/route.ts',
  ],
}

for (const [folder, targets] of Object.entries(allowed)) {
  test(`${folder} imports only what ARCHITECTURE.md allows`, () => {
    const forbidden = globSync(`${folder}/**/*.ts`, { cwd: root }).flatMap((file) =>
      importsOf(file)
        .filter(({ target, isType }) => !targets.some((rule) => permits(rule, target, isType)))
        .map(({ target }) => `${file} imports ${target}`),
    )
    assert.deepEqual(forbidden, [])
  })
}

test('every folder of src has its rule', () => {
  const folders = new Set(globSync('src/*/**/*.ts', { cwd: root }).map((file) => file.split('/').slice(0, 2).join('/')))
  assert.deepEqual(
    [...folders].filter((folder) => !(folder in allowed)),
    [],
  )
})

function permits(rule: string, target: string, isType: boolean): boolean {
  const typesOnly = rule.startsWith('type:')
  const place = typesOnly ? rule.slice('type:'.length) : rule
  return (target === place || target.startsWith(`${place}/`)) && (isType || !typesOnly)
}

function importsOf(file: string): { target: string; isType: boolean }[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/^(?:import|export) (type )?(?:[^'"]*? from )?'(\.[^']+)'/gm)].map(([, type, path]) => ({
    target: relative(root, join(root, dirname(file), path!)),
    isType: type !== undefined,
  }))
}
