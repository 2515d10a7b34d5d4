/** The path on the site of a Markdown file of the repository: docs/oidc.md is /docs/oidc, and examples/README.md is /examples/. */
export function toPagePath(file: string): string {
  return `/${file.replace(/(^|\/)README\.md$/, '$1').replace(/\.md$/, '')}`
}

const maxDescriptionLength = 200

/** The description of a page for search engines: the beginning of its first paragraph, in whole sentences where they fit. */
export function describePage(markdown: string): string {
  const paragraph = markdown.split(/\n{2,}/).find((block) => /^[^#`|!<\s-]/.test(block) && !/^\d+\. /.test(block)) ?? ''
  const text = paragraph
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .replaceAll('"', "'") // VitePress does not escape it
    .replace(/\s+/g, ' ')
    .trim()
  if (text.length <= maxDescriptionLength) return text
  const start = text.slice(0, maxDescriptionLength)
  const sentences = /^.*\.(?= )/.exec(start)?.[0]
  return sentences ?? `${start.replace(/\s+\S*$/, '')} …`
}
