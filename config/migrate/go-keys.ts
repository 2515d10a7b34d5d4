import { legacyKeys } from '../sources/legacy-keys.ts'

/** Maps the Go elastauth's keys to current keys. They are in lower case, because the Go elastauth ignored case. */
export const renamedGoKeys: ReadonlyMap<string, string> = new Map([
  ...legacyKeys,
  ['enable_otel', 'enableOtel'],
  ['insecure_skip_verify', 'elasticsearch.insecure_skip_verify'],
  ['authelia.header_username', 'headers.username'],
  ['authelia.header_groups', 'headers.groups'],
  ['authelia.header_email', 'headers.email'],
  ['authelia.header_name', 'headers.name'],
])

/** Maps keys of the Go elastauth that have no equivalent to the reason why none is needed. */
export const droppedGoKeys: ReadonlyMap<string, string> = new Map([
  ['cache.path', 'nothing is stored in files'],
  ['enableotelhostmetrics', 'enable_metrics serves these metrics'],
  ['enableotelruntimemetrics', 'enable_metrics serves these metrics'],
  ['generatekey', 'is a flag'],
  ['config', 'is a flag'],
])
