import type { IncomingHttpHeaders } from 'node:http'
import { Rejection, reject } from './responses.ts'

const plain = 'application/json'
const versioned = /^application\/vnd\.elasticsearch\+json; *compatible-with=(\d+)$/

/** Elasticsearch 8's rules: version 8 (or 7) of its own media type on both headers, or plain JSON. */
export function checkMediaTypes(headers: IncomingHttpHeaders, hasBody: boolean): void {
  const { accept, 'content-type': type = '' } = headers
  const [wanted, sent] = [versionOf(accept), versionOf(type)]
  const bad = [wanted, sent].find((version) => version !== undefined && version !== 8 && version !== 7)
  const isHalf = hasBody && (wanted === undefined) !== (sent === undefined)
  if (bad !== undefined || isHalf) {
    throw reject(400, 'media_type_header_exception', 'Invalid media-type value on headers [Content-Type, Accept]')
  }
  if (hasBody && sent === undefined && type.split(';')[0]!.trim() !== plain) {
    throw new Rejection({
      status: 406,
      body: { error: `Content-Type header [${type}] is not supported`, status: 406 },
      headers: { 'X-elastic-product': 'Elasticsearch' },
    })
  }
}

/** The media type that was accepted, as Elasticsearch writes it. */
export function replyType({ accept }: IncomingHttpHeaders): string {
  const version = versionOf(accept)
  return version === 8 || version === 7 ? `application/vnd.elasticsearch+json;compatible-with=${version}` : plain
}

function versionOf(mediaType: string | undefined): number | undefined {
  const version = versioned.exec(mediaType?.trim() ?? '')?.[1]
  return version === undefined ? undefined : Number(version)
}
