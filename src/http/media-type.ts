/** The media type in a `Content-Type` header, in lower case and without parameters (RFC 9110, 8.3.1). */
export function mediaTypeOf(contentType: string): string {
  return contentType.split(';', 1)[0]!.trim().toLowerCase()
}

/** Whether the first media type in a `Content-Type` or `Accept` header is HTML. */
export function isHtml(header: string): boolean {
  const type = mediaTypeOf(header.split(',', 1)[0]!)
  return type === 'text/html' || type === 'application/xhtml+xml'
}
