import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { describe, test } from 'node:test'
import { isMounted } from '../../../config/sources/mounts.ts'
import { readSecretFile } from '../../../config/sources/secret-file.ts'
import { readYaml } from '../../../config/sources/yaml.ts'
import { faultsOf, key, linesOf, load, minimal, skipOnMount, writeFiles, yamlFile } from './fixture.ts'

describe('a configuration file with secrets', () => {
  const fileWith = (text: string, mode: number) => writeFiles({ 'config.yml': text }, mode)['config.yml']
  const withoutSecrets = 'default_roles: [viewer]\nheaders: { name: X-Name }\n'

  test('a configuration file with secrets that every user can read causes a warning that names them', () => {
    const { warnings } = load('', { file: yamlFile(fileWith(minimal, 0o644)) })
    assert.equal(warnings.length, 1)
    assert.match(
      warnings[0]!,
      /config\.yml has secrets \(secret_key, elasticsearch\.password\) and can be read by every user of this machine: .*_FILE/,
    )
  })

  test('a configuration file that every user can read causes no warning without secrets, nor one that only its owner and group can read', () => {
    assert.deepEqual(readYaml(fileWith(withoutSecrets, 0o644)).warnings, [])
    assert.deepEqual(readYaml(fileWith(minimal, 0o640)).warnings, [])
  })

  test('a secret under a legacy key counts as one', () => {
    const { warnings } = readYaml(fileWith('elasticsearch_password: x\n', 0o604))
    assert.match(warnings.join(), /has secrets \(elasticsearch_password\)/)
  })

  test('a configuration file with secrets that every user can write is a fault', { skip: skipOnMount }, () => {
    const file = fileWith(minimal, 0o602)
    assert.match(
      linesOf(() => load('', { file: yamlFile(file) })).join('\n'),
      /^- the file can be written by every user of this machine: run chmod o-w on it$/,
    )
    assert.deepEqual(
      faultsOf(() => load(minimal, { file: yamlFile(fileWith(minimal, 0o660)) })),
      [],
    )
  })

  test('a configuration file with secrets that every user can write is only a warning on a mount', () => {
    const { warnings, faults } = readYaml(fileWith(minimal, 0o602), () => true)
    assert.deepEqual(faults, [])
    assert.match(warnings.join(), /config\.yml has secrets .* and can be written by every user/)
  })
})

test('a secret file that other users can write is only a warning on a mount, whose permissions a container cannot change', () => {
  const { k } = writeFiles({ k: key })
  chmodSync(k, 0o622)
  assert.equal(readSecretFile(k, () => false).faults.length, 1)
  const { text, warnings, faults } = readSecretFile(k, () => true)
  assert.deepEqual([text, faults], [key, []])
  assert.deepEqual(warnings, ['the secret file can be written by other users of this machine'])
})

describe('mounts in /proc/self/mountinfo', () => {
  const mountinfo = [
    '1 0 0:30 / / rw,relatime - overlay overlay rw',
    '2 1 0:40 / /run/secrets/tmpfs rw - tmpfs tmpfs rw',
    '3 1 8:1 /home/me/key /run/secrets/key ro,relatime master:1 - ext4 /dev/sda1 rw',
    '4 1 8:1 /var/lib/kubelet/pods/1/config /etc/elas\\040tauth ro - ext4 /dev/sda1 rw',
    '5 1 8:2 / /home rw - ext4 /dev/sda2 rw',
    '6 1 0:50 / /mnt/c rw - 9p C: rw',
  ].join('\n')

  for (const [path, expected] of [
    ['/run/secrets/key', true],
    ['/etc/elas tauth/config.yml', true],
    ['/mnt/c/config.yml', true],
    ['/run/secrets/key2', false],
    ['/run/secrets/tmpfs/key', false],
    ['/home/me/config.yml', false],
    ['/app/config.yml', false],
  ] as const) {
    test(`${path} ${expected ? 'is' : 'is not'} on a bind mount or a file system without permissions`, () => {
      assert.equal(isMounted(path, mountinfo), expected)
    })
  }

  test('no file is on a mount if there is no /proc/self/mountinfo', () => assert.equal(isMounted('/app/a', ''), false))
})
