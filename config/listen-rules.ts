import { type Broken, broken } from './checks.ts'
import type { Config } from './schema.ts'

/** Two entries for one place: the second would find it taken, by ourselves. */
export function checkListen({ listen }: Config): (Broken | false)[] {
  const places = listen.map((text) => text.replace(/^https?:\/\//, ''))
  return places.map((place, index) => {
    const first = places.indexOf(place)
    const isTwin = first < index && !place.endsWith(':0')
    return isTwin && broken(`listen[${index}]`, `is the same place as listen[${first}]`, 'remove one of them', 'listen')
  })
}
