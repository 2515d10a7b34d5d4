import type { IncomingHttpHeaders } from 'node:http'
import { Rejection, reject } from './responses.ts'

const plain = 'application/json'
const versioned = /^application\/vnd\.elasticsearch\+json; *compatible-with=(\d+)$/

/** Elasticsearch 8 accepts version 8 (or 7) of its own media type in both headers, or plain JSON. */
export function checkMediaTypes(headers: IncomingHttpHeaders, hasBody: boolean): void {
  const { accept, 'content-type': type = '' } = headers
  const [acceptVersion, sentVersion] = [versionOf(accept), versionOf(type)]
  const unsupported = [acceptVersion, sentVersion].find(
    (version) => version !== undefined && version !== 8 && version !== 7,
  )
  const isMixed = hasBody && (acceptVersion === undefined) !== (sentVersion === undefined)
  if (unsupported !== undefined || isMixed) {
    throw reject(400, 'media_type_header_exception', 'Invalid media-type value on headers [Content-Type, Accept]')
  }
  if (hasBody && sentVersion === undefined && type.split(';')[0]!.trim() !== plain) {
    throw new Rejection({
      status: 406,
      body: { error: `Content-Type header [${type}] is not supported`, status: 406 },
      headers: { 'X-elastic-product': 'Elasticsearch' },
    })
  }
}

/** The media type of the response, in Elasticsearch's notation. */
export function replyType({ accept }: IncomingHttpHeaders): string {
  const version = versionOf(accept)
  return version === 8 || version === 7 ? `application/vnd.elasticsearch+json;compatible-with=${version}` : plain
}

function versionOf(mediaType: string | undefined): number | undefined {
  const version = versioned.exec(mediaType?.trim() ?? '')?.[1]
  return version === undefined ? undefined : Number(version)
}
