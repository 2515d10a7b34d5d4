import { type HeaderPreset, headerPresets } from '../../../config/header-presets.ts'

/** The presets by the lower-case name of their username header. */
const presetsByHeader = new Map(
  Object.entries(headerPresets).map(([preset, { username }]) => [username.toLowerCase(), preset as HeaderPreset]),
)
const lengths = new Set([...presetsByHeader.keys()].map((name) => name.length))

/** Finds a preset whose username header a request has, to explain in the log why no identity was found. */
export function findPreset(rawHeaders: readonly string[]): HeaderPreset | undefined {
  let found: HeaderPreset | undefined
  for (let i = 0; i < rawHeaders.length && found === undefined; i += 2) {
    const name = rawHeaders[i]!
    if (lengths.has(name.length) && rawHeaders[i + 1] !== '') found = presetsByHeader.get(name.toLowerCase())
  }
  return found
}
