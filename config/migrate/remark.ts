/** What somebody who moves over should know about one key: what became of it, or what only they can decide. */
export type MigrationNote = {
  readonly kind: 'changed' | 'not needed' | 'decide'
  readonly key: string
  readonly text: string
}
