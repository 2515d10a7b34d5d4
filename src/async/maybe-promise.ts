/**
 * A value, or a promise of it: for caches, whose hits need no promise. Callers `await` either; only what is called for every
 * request and needs no I/O returns values.
 */
export type MaybePromise<T> = T | Promise<T>
