/** A rule between keys that does not hold; `other` is the second key it is about. */
export type Broken = { readonly key: string; readonly problem: string; readonly mend: string; readonly other?: string }

export function broken(key: string, problem: string, mend: string, other = key): Broken {
  return { key, problem, mend, other }
}
