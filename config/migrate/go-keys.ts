import { legacyKeys } from '../sources/legacy-keys.ts'

/** A key of the Go elastauth that has another name here; in lower case, as it compared them. */
export const renamedGoKeys: ReadonlyMap<string, string> = new Map([
  ...legacyKeys,
  ['insecure_skip_verify', 'elasticsearch.insecure_skip_verify'],
  ['authelia.header_username', 'headers.username'],
  ['authelia.header_groups', 'headers.groups'],
  ['authelia.header_email', 'headers.email'],
  ['authelia.header_name', 'headers.name'],
])

/** A key of the Go elastauth that nothing here stands for, and why nothing has to. */
export const droppedGoKeys: ReadonlyMap<string, string> = new Map([
  ['cache.path', 'nothing is kept in files'],
  ['enableotel', 'traces are not exported'],
  ['enable_otel', 'traces are not exported'],
  ['enableotelhostmetrics', 'traces are not exported'],
  ['enableotelruntimemetrics', 'traces are not exported'],
  ['generatekey', 'is a flag'],
  ['config', 'is a flag'],
])
