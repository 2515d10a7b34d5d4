import type { LoadedConfig } from '../../config/load.ts'
import { redactConfig } from '../../config/redact.ts'
import { serverOptions } from '../app/options/server.ts'
import { isObject } from '../http/json-object.ts'
import type { RecentError } from '../observability/recent-errors.ts'
import { type Check, type Finding, ok, skipped, warning } from './check.ts'
import { probeEndpoint, versionOf } from './instance.ts'
import { checkListener, type ExplainListenError } from './listeners.ts'
import { explainErrors } from './recent-errors.ts'

export type RunningOptions = Readonly<{ explainListenError: ExplainListenError }>

/** The checks of the addresses, and of the elastauth that listens there, if one does. */
export function runningChecks({ config }: LoadedConfig, { explainListenError }: RunningOptions): Check[] {
  const listeners = serverOptions(config).listeners.map((listener, index) => ({
    ...listener,
    serves: listener.serves ?? ('everything' as const),
    index,
  }))
  const main = listeners[0]!
  let found: Promise<string | undefined> | undefined
  const findVersion = (signal: AbortSignal) =>
    (found ??= probeEndpoint(main, 'health', signal).then(versionOf, () => undefined))

  /** Asks the running elastauth, which responds only to programs on the same machine. */
  function ask(name: string, explain: (document: unknown) => Finding | Finding[]): Check['run'] {
    return async (signal) => {
      if ((await findVersion(signal)) === undefined)
        return skipped('no elastauth listens on the first address of listen')
      const { status, body } = await probeEndpoint(main, name, signal)
      return status === 200 ? explain(JSON.parse(body)) : skipped(`the running elastauth responds with ${status}`)
    }
  }

  return [
    ...listeners.map((listener) => ({
      id: 'listeners',
      title: 'Listener',
      run: (signal: AbortSignal) => checkListener(listener, { findVersion, explainListenError, signal }),
    })),
    {
      id: 'running',
      title: 'Running configuration',
      run: ask('config', (document) => compareConfig(document, JSON.parse(JSON.stringify(redactConfig(config))))),
    },
    {
      id: 'trust',
      title: 'Trusted peers',
      run: ask('errors', (document) => explainErrors(readErrors(document), 'trust', Date.now())),
    },
    {
      id: 'errors',
      title: 'Recent errors',
      run: ask('errors', (document) => explainErrors(readErrors(document), 'errors', Date.now())),
    },
  ]
}

/** Secrets are masked on both sides. */
export function compareConfig(running: unknown, own: unknown): Finding {
  const keys = differences(running, own, '')
  if (keys.length === 0) return ok('the running elastauth has this configuration')
  return warning(
    `the running elastauth has other values of ${keys.slice(0, 10).join(', ')}${keys.length > 10 ? ', …' : ''}`,
    'send it SIGHUP or restart it, and give this command the same options and environment variables',
  )
}

function differences(one: unknown, other: unknown, key: string): string[] {
  if (!isObject(one) || !isObject(other) || key.includes('.'))
    return JSON.stringify(one) === JSON.stringify(other) ? [] : [key]
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  return names.flatMap((name) => differences(one[name], other[name], key === '' ? name : `${key}.${name}`))
}

/** The response is not trusted: another program may have taken over the port. */
function readErrors(document: unknown): RecentError[] {
  const errors = isObject(document) && Array.isArray(document.errors) ? document.errors : []
  return errors.filter(
    (entry): entry is RecentError =>
      isObject(entry) && [entry.code, entry.detail, entry.last].every((text) => typeof text === 'string'),
  )
}
