/** Longer headers are cut before they are searched; those of common browsers have some 130 characters. */
const maxLength = 512

/** In this order, because each browser's header also names the ones below it. */
const browsers: readonly [label: string, pattern: RegExp][] = [
  ['Edge', /\bEdg(?:e|A|iOS)?\//],
  ['Opera', /\bOPR\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /\b(?:Chrome|CriOS)\//],
  ['Safari', /\bVersion\/[\d.]+ (?:Mobile\/\w+ )?Safari\//],
]

const systems: readonly [label: string, pattern: RegExp][] = [
  ['Windows', /\bWindows NT\b/],
  ['iOS', /\b(?:iPhone|iPad);/],
  ['macOS', /\bMacintosh;/],
  ['Android', /\bAndroid\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['Linux', /\bLinux\b/],
]

/**
 * The browser and system that `User-Agent` names, such as `Firefox on Linux`; undefined if it is none of the common browsers. One of a few
 * fixed labels and never the header itself, which the client chooses.
 */
export function browserOf(userAgent: string | undefined): string | undefined {
  const text = userAgent?.slice(0, maxLength) ?? ''
  const browser = labelIn(text, browsers)
  if (browser === undefined) return undefined
  const system = labelIn(text, systems)
  return system === undefined ? browser : `${browser} on ${system}`
}

function labelIn(text: string, labels: readonly [label: string, pattern: RegExp][]): string | undefined {
  return labels.find(([, pattern]) => pattern.test(text))?.[0]
}
